// Drives the authorization server with oauth4webapi, which is strict about every answer.
// Called with a JSON object: {flow, issuer, client, secret, cookie, ...}; prints what the flow ends with as JSON.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

const given = JSON.parse(process.argv[2]);
const issuer = new URL(given.issuer);
const client = { client_id: given.client };

async function discover(algorithm = "oidc") {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm }));
}

function proof() {
  if (given.secret === undefined) return oauth.None();
  return given.proof === "post" ? oauth.ClientSecretPost(given.secret) : oauth.ClientSecretBasic(given.secret);
}

const flows = {
  async discovery() {
    return { oidc: await discover(), oauth2: await discover("oauth2") };
  },

  async clientCredentials() {
    const server = await discover();
    const parameters = given.scope === undefined ? {} : { scope: given.scope };
    const answer = await oauth.clientCredentialsGrantRequest(server, client, proof(), parameters);
    return oauth.processClientCredentialsResponse(server, client, answer);
  },
};

try {
  console.log(JSON.stringify(await flows[given.flow]()));
} catch (error) {
  console.error(error, error.cause);
  process.exit(1);
}
