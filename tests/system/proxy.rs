//! The real proxies, configured out of their guides.

use super::guide::{self, Addition, replace};
use super::helpers::eventually;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    /// With what the guide adds for clients that send `CONFIDENT_API_KEY`.
    NginxWithUnderscores,
    Caddy,
    Traefik,
    Envoy,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Nginx, Self::NginxWithUnderscores, Self::Caddy, Self::Traefik, Self::Envoy];

    pub fn is_nginx(self) -> bool {
        matches!(self, Self::Nginx | Self::NginxWithUnderscores)
    }

    /// The program and the package that has it.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx | Self::NginxWithUnderscores => ("nginx", "the Debian package nginx"),
            Self::Caddy => ("caddy", "the Debian package caddy"),
            Self::Traefik => ("traefik", "tests/system/requirements.txt, which tests/system/run installs"),
            Self::Envoy => ("envoy", "tests/system/requirements.txt, which tests/system/run installs"),
        }
    }

    /// The guide, and the language of its configurations.
    pub fn guide(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx | Self::NginxWithUnderscores => ("nginx", "nginx"),
            Self::Caddy => ("caddy", "caddyfile"),
            Self::Traefik => ("traefik", "yaml"),
            Self::Envoy => ("envoy", "yaml"),
        }
    }

    /// The configuration in the guide, with other addresses.
    fn configuration(self, addresses: &Addresses, options: &Options) -> String {
        let mut text = guide::configuration(self);
        for addition in options.additions.iter().filter(|_| self != Self::Traefik) {
            addition.add_to(&mut text, self);
        }
        match self {
            Self::Nginx | Self::NginxWithUnderscores => self.place_nginx(&mut text, addresses),
            Self::Caddy => {
                let (host, port) = (addresses.proxy.ip(), addresses.proxy.port());
                replace(&mut text, "\n:80 {", &format!("\n:{port} {{\n\tbind {host}"));
                // Global options come first in the file.
                text.insert_str(0, "{\n\tadmin off\n\tauto_https off\n}\n");
            }
            Self::Traefik => {}
            Self::Envoy => {
                let Addresses { proxy, keystead, app } = addresses;
                for (from, to) in [("0.0.0.0:80", proxy), ("127.0.0.1:8080", keystead), ("127.0.0.1:3000", app)] {
                    replace(&mut text, &socket_address(from), &socket_address(&to.to_string()));
                }
            }
        }
        options.fill_in(&mut text, addresses);
        if let Some(gate) = options.gate {
            self.set_gate(&mut text, gate);
        }
        if let Some((from, to)) = options.change {
            replace(&mut text, from, to);
        }
        text
    }

    /// Changes what belongs to the machine: the address, and the folders of nginx's files.
    fn place_nginx(self, text: &mut String, addresses: &Addresses) {
        replace(text, "listen 80;", &format!("listen {};", addresses.proxy));
        let folders = "http {\n access_log off; client_body_temp_path body; proxy_temp_path proxy;\n\
            fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;";
        replace(text, "http {", folders);
        if self == Self::NginxWithUnderscores {
            replace(text, "server {\n        listen", "server {\n        underscores_in_headers on;\n        listen");
            replace(text, "location / {", "include keystead-underscores.conf;\n        location / {");
        }
    }

    /// Sets another gate than the guide's `scope=project`, as the guide says under "Which keys pass". An empty gate admits
    /// any key.
    fn set_gate(self, text: &mut String, gate: &str) {
        let old = match self {
            _ if !gate.is_empty() => "scope=project",
            Self::Nginx | Self::NginxWithUnderscores => return replace(text, "scope=project", "any"),
            // Caddy needs the question mark.
            Self::Caddy => "scope=project",
            Self::Traefik => "?scope=project",
            Self::Envoy => {
                "                        authorization_request:\n                          headers_to_add:\n\
                 \x20                           - key: X-Auth-Gate\n                              value: scope=project\n"
            }
        };
        replace(text, old, gate);
    }

    /// The program in the foreground.
    fn command(self, folder: &Path, address: SocketAddr, additions: &[Addition]) -> Command {
        let (program, _) = self.program();
        let mut command = Command::new(program);
        match self {
            Self::Nginx | Self::NginxWithUnderscores => {
                let globals = "daemon off; pid pid; error_log stderr; user root;";
                command.args(["-e", "stderr", "-c", "configuration", "-g", globals, "-p"]).arg(folder)
            }
            Self::Caddy => command.args(["run", "--config", "configuration", "--adapter", "caddyfile"]),
            Self::Traefik => command
                .arg(format!("--entryPoints.web.address={address}"))
                .args(["--providers.file.directory=dynamic", "--global.checkNewVersion=false"])
                .args(["--global.sendAnonymousUsage=false"])
                .args(additions.contains(&Addition::Cors).then_some("--entryPoints.web.http.middlewares=cors@file")),
            Self::Envoy => {
                command.args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warn", "-c", "configuration.yaml"])
            }
        };
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin")).env("HOME", folder);
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(name, folder);
        }
        command
    }
}

/// Where everybody listens.
pub struct Addresses {
    pub proxy: SocketAddr,
    pub keystead: SocketAddr,
    pub app: SocketAddr,
}

/// What of the guide a test uses besides the whole configuration.
#[derive(Default)]
pub struct Options<'a> {
    /// Another gate than the guide's; an empty one admits any key.
    pub gate: Option<&'a str>,
    pub additions: &'a [Addition],
    /// A text of the guide, and what stands in its place.
    pub change: Option<(&'a str, &'a str)>,
    /// The project in the place of `proj_ID`.
    pub project: &'a str,
}

impl Options<'_> {
    /// Puts the addresses and the project of the test into a text of the guide.
    fn fill_in(&self, text: &mut String, addresses: &Addresses) {
        let Addresses { keystead, app, .. } = addresses;
        let values = [("127.0.0.1:8080", keystead.to_string()), ("127.0.0.1:3000", app.to_string())];
        for (from, to) in values.iter().map(|(from, to)| (*from, to.as_str())).chain([("proj_ID", self.project)]) {
            *text = text.replace(from, to);
        }
    }
}

/// A proxy in the foreground, in a folder of its own. Ended when dropped, by its own process id.
pub struct Proxy {
    kind: Kind,
    child: Child,
}

impl Proxy {
    /// Starts it and waits until `is_up`.
    pub fn start(
        kind: Kind,
        folder: &Path,
        addresses: &Addresses,
        options: &Options,
        is_up: impl Fn() -> bool,
    ) -> Self {
        let configuration = kind.configuration(addresses, options);
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a configuration");
        fs::create_dir(folder.join("dynamic")).expect("a folder");
        for name in ["configuration", "dynamic/keystead.yml", "configuration.yaml"] {
            write(name, &configuration);
        }
        if kind == Kind::NginxWithUnderscores {
            write("keystead-underscores.conf", &guide::underscores());
        }
        for addition in options.additions.iter().filter(|_| kind == Kind::Traefik) {
            let mut text = addition.blocks(kind).concat();
            options.fill_in(&mut text, addresses);
            write(&format!("dynamic/{}", addition.traefik_file()), &text);
        }
        let log = folder.join("proxy.log");
        let file = fs::File::create(&log).expect("a log");
        let child = kind
            .command(folder, addresses.proxy, options.additions)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log"))
            .stderr(file)
            .spawn();
        let (program, package) = kind.program();
        let child = child.unwrap_or_else(|e| panic!("{program} does not start ({e}). It is in {package}."));
        let mut proxy = Self { kind, child };
        eventually(Duration::from_secs(30), || {
            let ended = proxy.child.try_wait().expect("a child");
            let text = || fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "{program} ended: {}\n{configuration}", text());
            std::thread::sleep(Duration::from_millis(5));
            is_up()
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to end; the others are one process each.
        if self.kind.is_nginx() {
            _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        } else {
            _ = self.child.kill();
        }
        _ = self.child.wait();
    }
}

/// A loopback address that no other test listens on, now or later, so that a server can come back to it.
pub fn own_address() -> SocketAddr {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = (std::process::id() % 64) as u8;
    let address = Ipv4Addr::new(127, 64 + process, high, low);
    TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

fn socket_address(address: &str) -> String {
    let (host, port) = address.split_once(':').expect("a port");
    format!("{{ address: {host}, port_value: {port} }}")
}
