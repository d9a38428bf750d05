// A certified OpenID provider on loopback, which signs everybody in as the account that its first argument tells.
// Prints its issuer when it listens, and stops with its standard input.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const given = JSON.parse(process.argv[2]);
const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: given.clientID,
      client_secret: given.clientSecret,
      redirect_uris: given.redirectURIs,
      grant_types: ["authorization_code"],
      id_token_signed_response_alg: given.algorithm,
      token_endpoint_auth_method: given.authentication,
    },
  ],
  jwks: { keys: given.keys },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...given.claims }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});

server.on("request", async (request, response) => {
  if (!request.url.startsWith("/interaction/")) {
    return provider.callback()(request, response);
  }
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    const login = { accountId: given.account };
    return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
});

process.stdin.on("end", () => process.exit()).resume();
console.log(issuer);
