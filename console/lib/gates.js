// Configurations that make a proxy ask this server about each request.

/** @typedef {import("./snippets.js").Snippet} Snippet */
/** @typedef {{ address: URL, query: string }} Gate `address`: where the proxy asks; `query`: which keys pass, such as `scope=project`; all without it */

const HOST = String.raw`([\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:]+\])`;
const ADDRESS = new RegExp(String.raw`^https?://${HOST}(:\d{1,5})?(/[\w.~-]+)*/?$`);

/** What the app learns about the client. */
const IDENTITY = ["Organization-Id", "Organization-Name", "Project-Id", "Key-Id", "Key-Name", "Role", "Permissions", "Owner"];

/** An address that fits into these configurations as it is; undefined for any other. @param {string} text */
export function readAddress(text) {
  if (!ADDRESS.test(text.trim())) return undefined;
  return URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
}

/**
 * @param {Gate} gate
 * @returns {Snippet[]}
 */
export function gateSnippets(gate) {
  return [
    {
      id: "nginx",
      title: "nginx",
      about: "The app learns whose key it was from X-Auth-… headers. docs/nginx.md has the complete configuration, with WebSockets and answers in JSON.",
      files: [{ name: "nginx.conf, inside http", code: nginx(gate) }],
    },
    {
      id: "caddy",
      title: "Caddy",
      about: "The app learns whose key it was from X-Auth-… headers. docs/caddy.md has the complete configuration, also for WebSockets.",
      files: [{ name: "Caddyfile", code: caddy(gate) }],
    },
    {
      id: "traefik",
      title: "Traefik",
      about: "This is a complete dynamic configuration. The app learns whose key it was from X-Auth-… headers. docs/traefik.md has more.",
      files: [{ name: "/etc/traefik/dynamic/keystead.yml", code: traefik(gate) }],
    },
    {
      id: "envoy",
      title: "Envoy",
      about: "These are the filters and the cluster. The app learns whose key it was from x-auth-… headers. docs/envoy.md has the complete envoy.yaml.",
      files: [
        { name: "envoy.yaml, in http_connection_manager", code: envoyFilters(gate) },
        { name: "envoy.yaml, in clusters", code: envoyCluster(gate) },
      ],
    },
  ];
}

/** The address of one of the paths for proxies. @param {Gate} gate @param {string} path */
function at({ address, query }, path) {
  return `${address.origin}${pathAt(address, path)}${query ? `?${query}` : ""}`;
}

/** @param {URL} address @param {string} path */
function pathAt(address, path) {
  return `${address.pathname.replace(/\/$/, "")}${path}`;
}

/** @param {URL} address */
function isTls(address) {
  return address.protocol === "https:";
}

/** @param {URL} address */
function portOf(address) {
  return address.port || (isTls(address) ? "443" : "80");
}

/** @param {Gate} gate */
function nginx(gate) {
  const variable = (/** @type {string} */ name) => `$${name.toLowerCase().replace("-", "_")}`;
  const known = IDENTITY.map((name) => `        auth_request_set ${variable(name)} $upstream_http_x_auth_${variable(name).slice(1)};\n`).join("");
  const told = IDENTITY.map((name) => `        proxy_set_header X-Auth-${name} ${variable(name)};\n`).join("");
  const tls = isTls(gate.address)
    ? `
        # nginx does not check certificates unless it is told to.
        proxy_ssl_server_name on;
        proxy_ssl_verify on;
        proxy_ssl_verify_depth 3;
        proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;`
    : "";
  return `server {
    listen 80;

    location / {
        auth_request /_keystead;
${known}        proxy_pass http://127.0.0.1:3000;    # your app
        # The identity of the client. Each line also replaces what the client sent: keep all.
${told}        # The app does not need the key.
        proxy_set_header Authorization "";
        proxy_set_header X-API-Key "";
    }

    location = /_keystead {
        internal;
        proxy_pass ${at(gate, "/auth/nginx")};${tls}
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header X-Forwarded-For $remote_addr;
        # Long names and many permissions need more than the default of 4k.
        proxy_buffer_size 32k;
        proxy_buffers 4 32k;
    }
}
`;
}

/** @param {Gate} gate */
function caddy({ address, query }) {
  const host = isTls(address) ? `\n\t\t\theader_up Host ${address.host}` : "";
  return `# A domain in place of :80 gets a certificate.
:80 {
	route {
		# Only Keystead names the client. This removes what the client sent.
		request_header -X-Auth-*
		request_header -X-Auth_*
		request_header -X_Auth-*
		request_header -X_Auth_*
		# No upgrades: requests after one would not be checked.
		request_header -Connection
		request_header -Upgrade
		request_header -HTTP2-Settings

		forward_auth ${address.protocol}//${address.hostname}:${portOf(address)} {
			uri ${pathAt(address, "/auth/forward")}?${query}${host}
			copy_headers ${IDENTITY.map((name) => `X-Auth-${name}`).join(" ")}
		}

		# The app does not need the key.
		request_header -CONFIDENT_API_KEY
		request_header -Authorization
		request_header -X-API-Key
		reverse_proxy 127.0.0.1:3000    # your app
	}
}
`;
}

/** @param {Gate} gate */
function traefik(gate) {
  return `http:
  routers:
    app:
      rule: PathPrefix(\`/\`)
      # The last router: those for single paths have higher numbers.
      priority: 1
      middlewares: [keystead, without-key]
      service: app

  middlewares:
    keystead:
      forwardAuth:
        address: ${at(gate, "/auth/forward")}
        trustForwardHeader: false
        # Removes what the client sent under such names, and adds what Keystead says.
        authResponseHeadersRegex: (?i)^X[-_]Auth[-_]
    # The app does not need the key.
    without-key:
      headers:
        customRequestHeaders:
          CONFIDENT_API_KEY: ""
          Authorization: ""
          X-API-Key: ""

  services:
    app:
      loadBalancer:
        servers:
          - url: http://127.0.0.1:3000    # your app
`;
}

/** @param {Gate} gate */
function envoyFilters({ address, query }) {
  const kind = "type.googleapis.com/envoy.extensions.filters.http";
  const added = query
    ? `
        authorization_request:
          headers_to_add:
            - key: X-Auth-Gate
              value: ${query}`
    : "";
  return `use_remote_address: true
http_filters:
  # Only Keystead names the client. This removes what the client sent.
  - name: envoy.filters.http.header_mutation
    typed_config:
      "@type": ${kind}.header_mutation.v3.HeaderMutation
      mutations:
        request_mutations:
          - remove_on_match:
              key_matcher:
                safe_regex: { regex: "x[-_]auth[-_].*" }
  - name: envoy.filters.http.ext_authz
    typed_config:
      "@type": ${kind}.ext_authz.v3.ExtAuthz
      failure_mode_allow: false
      status_on_error: { code: ServiceUnavailable }
      allowed_headers:
        patterns:
          - exact: confident_api_key
          - exact: x-api-key
          - exact: x-forwarded-for
      http_service:
        server_uri:
          uri: ${address.origin}
          cluster: keystead
          timeout: 5s
        path_prefix: ${pathAt(address, "/auth/envoy")}${added}
        authorization_response:
          allowed_upstream_headers:
            patterns:
              - prefix: x-auth-
  - name: envoy.filters.http.router
    typed_config:
      "@type": ${kind}.router.v3.Router
route_config:
  # The app does not need the key.
  request_headers_to_remove: [confident_api_key, authorization, x-api-key]
  # virtual_hosts: your routes to the app
`;
}

/** @param {Gate} gate */
function envoyCluster({ address }) {
  const host = address.hostname.replace(/^\[|\]$/g, "");
  const isName = !/^[\d.]+$|:/.test(host);
  const tls = isTls(address)
    ? `
  transport_socket:
    name: envoy.transport_sockets.tls
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
      sni: ${host}
      common_tls_context:
        validation_context:
          trusted_ca: { filename: /etc/ssl/certs/ca-certificates.crt }
          match_typed_subject_alt_names:
            - san_type: DNS
              matcher: { exact: ${host} }`
    : "";
  return `- name: keystead
  connect_timeout: 1s${isName ? "\n  type: STRICT_DNS" : ""}
  load_assignment:
    cluster_name: keystead
    endpoints:
      - lb_endpoints:
          - endpoint:
              address:
                socket_address: { address: "${host}", port_value: ${portOf(address)} }${tls}
`;
}
