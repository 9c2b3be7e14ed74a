//! The real proxies, configured out of their guides.

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

    /// The configuration in the guide, for other addresses, and with another gate than its `scope=project`; an empty one
    /// lets in any key.
    fn configuration(self, addresses: &Addresses, gate: Option<&str>) -> String {
        let Addresses { proxy, keystead, app } = addresses;
        let (proxy, keystead, app) = (proxy.to_string(), keystead.to_string(), app.to_string());
        let mut text = match self {
            Self::Nginx | Self::NginxWithUnderscores => block("nginx", "nginx", 0),
            Self::Caddy => block("caddy", "caddyfile", 0),
            Self::Traefik => block("traefik", "yaml", 0),
            Self::Envoy => block("envoy", "yaml", 0),
        };
        if self == Self::Envoy {
            for (from, to) in [("0.0.0.0:80", &proxy), ("127.0.0.1:8080", &keystead), ("127.0.0.1:3000", &app)] {
                replace(&mut text, &socket_address(from), &socket_address(to));
            }
        }
        if self.is_nginx() {
            replace(&mut text, "listen 80;", &format!("listen {proxy};"));
            // Not the machine's.
            let places = "http { access_log off; client_body_temp_path body; proxy_temp_path proxy;\n\
                fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;";
            replace(&mut text, "http {", places);
        }
        if self == Self::NginxWithUnderscores {
            replace(
                &mut text,
                "server {\n        listen",
                "server {\n        underscores_in_headers on;\n        listen",
            );
            replace(&mut text, "location / {", "location / {\n            include keystead-underscores.conf;");
        }
        if self == Self::Caddy {
            let (host, port) = proxy.split_once(':').expect("a port");
            let options = "{\n\tadmin off\n\tauto_https off\n}\n";
            text = text.replacen(":80 {", &format!("{options}:{port} {{\n\tbind {host}"), 1);
        }
        replace(&mut text, "127.0.0.1:8080", &keystead);
        if self != Self::Envoy {
            replace(&mut text, "127.0.0.1:3000", &app);
        }
        if let Some(gate) = gate {
            self.set_gate(&mut text, gate);
        }
        text
    }

    /// As the guide says under "Which keys pass".
    fn set_gate(self, text: &mut String, gate: &str) {
        let old = match self {
            _ if !gate.is_empty() => "scope=project",
            // Caddy needs the question mark.
            Self::Caddy => "scope=project",
            Self::Nginx | Self::NginxWithUnderscores | Self::Traefik => "?scope=project",
            Self::Envoy => {
                "                        authorization_request:\n                          headers_to_add:\n\
                 \x20                           - key: X-Auth-Gate\n                              value: scope=project\n"
            }
        };
        replace(text, old, gate);
    }

    /// The program in the foreground.
    fn command(self, folder: &Path, address: SocketAddr) -> Command {
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
                .args(["--providers.file.filename=configuration.yml", "--global.checkNewVersion=false"])
                .args(["--global.sendAnonymousUsage=false"]),
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
        gate: Option<&str>,
        is_up: impl Fn() -> bool,
    ) -> Self {
        let configuration = kind.configuration(addresses, gate);
        for name in ["configuration", "configuration.yml", "configuration.yaml"] {
            fs::write(folder.join(name), &configuration).expect("a configuration");
        }
        if kind == Kind::NginxWithUnderscores {
            fs::write(folder.join("keystead-underscores.conf"), block("nginx", "nginx", 1)).expect("a configuration");
        }
        let log = folder.join("proxy.log");
        let file = fs::File::create(&log).expect("a log");
        let child = kind
            .command(folder, addresses.proxy)
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

/// The n-th fenced block of this language in a guide.
fn block(guide: &str, language: &str, n: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(guide).with_extension("md");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let fence = format!("\n```{language}\n");
    let blocks = text.split(&fence).skip(1);
    let found = blocks.map(|rest| rest.split("\n```\n").next().unwrap_or_default()).nth(n);
    format!("{}\n", found.unwrap_or_else(|| panic!("{guide} has too few blocks of {language}")))
}

fn socket_address(address: &str) -> String {
    let (host, port) = address.split_once(':').expect("a port");
    format!("{{ address: {host}, port_value: {port} }}")
}

/// What is not there would silently not be tested.
#[track_caller]
fn replace(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "the guide does not say {from}:\n{text}");
    *text = text.replace(from, to);
}
