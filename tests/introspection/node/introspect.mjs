// Introspects the token in TOKEN with oauth4webapi as its documentation says, and prints the answer as JSON. METHOD says how
// the client sends its key.
import * as oauth from "oauth4webapi";

const { KEYSTEAD_URL, KEY, TOKEN, METHOD } = process.env;
const server = { issuer: KEYSTEAD_URL, introspection_endpoint: `${KEYSTEAD_URL}/oauth2/introspect` };
const client = { client_id: "a client: 100%" };
const options = { [oauth.allowInsecureRequests]: true };
let authentication = oauth.ClientSecretBasic(KEY);
if (METHOD === "bearer") {
  authentication = (_server, _client, _body, headers) => headers.set("Authorization", `Bearer ${KEY}`);
}
try {
  const answer = await oauth.introspectionRequest(server, client, authentication, TOKEN, options);
  console.log(JSON.stringify(await oauth.processIntrospectionResponse(server, client, answer)));
} catch (error) {
  const challenges = (error.cause ?? []).map?.(({ scheme, parameters }) => ({ scheme, ...parameters }));
  console.log(JSON.stringify({ failure: error.name, error: error.error, status: error.status, challenges }));
}
