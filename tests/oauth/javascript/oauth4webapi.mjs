// Drives the authorization server with oauth4webapi, which is strict about every answer.
// Called with a JSON object: {flow, issuer, client, secret, cookie, ...}; prints what the flow ends with as JSON.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { browser, field, target } from "./browser.mjs";

const given = JSON.parse(process.argv[2]);
const issuer = new URL(given.issuer);
const client = { client_id: given.client };
const browse = browser(given.cookie);

async function discover(algorithm = "oidc") {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm }));
}

function proof() {
  if (given.secret === undefined) return oauth.None();
  return given.proof === "post" ? oauth.ClientSecretPost(given.secret) : oauth.ClientSecretBasic(given.secret);
}

async function authorize(server, more = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(server.authorization_endpoint);
  const parameters = {
    client_id: client.client_id,
    redirect_uri: given.redirect,
    response_type: "code",
    scope: given.scope ?? "openid",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...more,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  let reached = await browse(url);
  let asked = false;
  if (typeof reached === "string") {
    asked = true;
    const csrf = field(reached, "csrf");
    reached = await browse(new URL(target(reached), url), {
      csrf,
      request: field(reached, "request"),
      decision: given.decision ?? "allow",
    });
  }
  return { reached, verifier, state, nonce, asked };
}

async function exchange(server, { reached, verifier, state, nonce }) {
  const parameters = oauth.validateAuthResponse(server, client, reached, state);
  const answer = await oauth.authorizationCodeGrantRequest(
    server, client, proof(), parameters, given.redirect, verifier,
  );
  const openid = (given.scope ?? "openid").split(" ").includes("openid");
  const processed = await oauth.processAuthorizationCodeResponse(server, client, answer, {
    expectedNonce: openid ? nonce : undefined,
    requireIdToken: openid,
  });
  if (openid) await oauth.validateApplicationLevelSignature(server, answer);
  return processed;
}

async function refresh(server, token) {
  const answer = await oauth.refreshTokenGrantRequest(server, client, proof(), token);
  return oauth.processRefreshTokenResponse(server, client, answer);
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

  async code() {
    const server = await discover();
    const authorized = await authorize(server, given.more);
    const tokens = await exchange(server, authorized);
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    const request = new Request(given.issuer, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
    const access = await oauth.validateJwtAccessToken(server, request, given.issuer);
    return { asked: authorized.asked, tokens, claims, access };
  },

  async refused() {
    const server = await discover();
    const { reached, state } = await authorize(server, given.more);
    try {
      oauth.validateAuthResponse(server, client, reached, state);
    } catch (error) {
      assert.ok(error instanceof oauth.AuthorizationResponseError, error);
      return error.error;
    }
    throw new Error("it was not refused");
  },

  async userinfo() {
    const server = await discover();
    const tokens = await exchange(server, await authorize(server));
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const answer = await oauth.userInfoRequest(server, client, tokens.access_token);
    return oauth.processUserInfoResponse(server, client, sub, answer);
  },

  async refresh() {
    const server = await discover();
    const first = await exchange(server, await authorize(server));
    const second = await refresh(server, first.refresh_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    const before = oauth.getValidatedIdTokenClaims(first);
    const after = oauth.getValidatedIdTokenClaims(second);
    return { first, second, before, after };
  },

  // Introspects an access and a refresh token, gives them back, and introspects them again.
  async revoke() {
    const server = await discover();
    const tokens = await exchange(server, await authorize(server));
    const look = async (token) => {
      const answer = await oauth.introspectionRequest(server, client, proof(), token);
      return oauth.processIntrospectionResponse(server, client, answer);
    };
    const giveBack = async (token) => {
      await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof(), token));
    };
    const both = async () => [await look(tokens.access_token), await look(tokens.refresh_token)];
    const before = await both();
    await giveBack(tokens[given.token]);
    await giveBack("nonsense");
    return { tokens, before, after: await both() };
  },

  async device() {
    const server = await discover();
    const request = await oauth.deviceAuthorizationRequest(server, client, proof(), { scope: given.scope });
    const device = await oauth.processDeviceAuthorizationResponse(server, client, request);
    const poll = async () => {
      const answer = await oauth.deviceCodeGrantRequest(server, client, proof(), device.device_code);
      return oauth.processDeviceCodeResponse(server, client, answer);
    };
    const refused = [];
    for (let count = 0; count < 2; count += 1) await poll().catch((error) => refused.push(error.error));
    const page = device.verification_uri;
    const csrf = field(await browse(device.verification_uri_complete), "csrf");
    const confirm = await browse(page, { csrf, user_code: device.user_code.toLowerCase() });
    const done = await browse(page, { csrf, user_code: field(confirm, "user_code"), decision: given.decision });
    try {
      return { refused, page: confirm, done, tokens: await poll() };
    } catch (error) {
      return { refused, error: error.error };
    }
  },

  async privateKey() {
    const server = await discover();
    const key = await crypto.subtle.importKey(
      "jwk", given.key, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, false, ["sign"],
    );
    const answer = await oauth.clientCredentialsGrantRequest(
      server, client, oauth.PrivateKeyJwt({ key, kid: given.key.kid }), {},
    );
    return oauth.processClientCredentialsResponse(server, client, answer);
  },

  async logout() {
    const server = await discover();
    const tokens = await exchange(server, await authorize(server));
    const url = new URL(server.end_session_endpoint);
    url.searchParams.set("id_token_hint", tokens.id_token);
    url.searchParams.set("post_logout_redirect_uri", given.bye);
    url.searchParams.set("state", "s1");
    return { reached: await browse(url), tokens };
  },
};

try {
  console.log(JSON.stringify(await flows[given.flow]()));
} catch (error) {
  console.error(error, error.cause);
  process.exit(1);
}
