// Drives the authorization server with openid-client, as an application that follows its README would.
// Called with a JSON object: {flow, issuer, client, secret, cookie, ...}; prints what the flow ends with as JSON.
import assert from "node:assert/strict";
import * as client from "openid-client";
import { browser, field } from "./browser.mjs";

const given = JSON.parse(process.argv[2]);
const browse = browser(given.cookie);
const proof = given.secret === undefined ? client.None() : client.ClientSecretPost(given.secret);
const config = await client.discovery(new URL(given.issuer), given.client, undefined, proof);

async function signIn() {
  const verifier = client.randomPKCECodeVerifier();
  const expected = { expectedNonce: client.randomNonce(), expectedState: client.randomState(), maxAge: 300 };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: given.redirect,
    scope: given.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    nonce: expected.expectedNonce,
    state: expected.expectedState,
    max_age: "300",
    resource: given.issuer,
  });
  const reached = await browse(url);
  return client.authorizationCodeGrant(config, reached, { pkceCodeVerifier: verifier, ...expected });
}

const flows = {
  async everything() {
    const first = await signIn();
    const claims = first.claims();
    const user = await client.fetchUserInfo(config, first.access_token, claims.sub);
    const second = await client.refreshTokenGrant(config, first.refresh_token, { resource: given.issuer });
    const before = await client.tokenIntrospection(config, second.access_token);
    await client.tokenRevocation(config, second.refresh_token);
    const after = await client.tokenIntrospection(config, second.access_token);
    await assert.rejects(client.refreshTokenGrant(config, second.refresh_token), { error: "invalid_grant" });
    const machine = await client.clientCredentialsGrant(config, { scope: "resources:read", resource: given.issuer });
    const leave = client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: given.bye,
      id_token_hint: second.id_token,
    });
    return { claims, user, before, after, machine, reached: await browse(leave) };
  },

  async device() {
    const device = await client.initiateDeviceAuthorization(config, { scope: given.scope });
    const csrf = field(await browse(device.verification_uri), "csrf");
    await browse(device.verification_uri, { csrf, user_code: device.user_code, decision: "allow" });
    const tokens = await client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0 });
    return { tokens, claims: tokens.claims() };
  },
};

try {
  console.log(JSON.stringify(await flows[given.flow]()));
} catch (error) {
  console.error(error, error.cause);
  process.exit(1);
}
