//! The dashboard and the alerts for Prometheus and Grafana match the metrics that the server exports.

use super::metrics::{Reading, watched};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DASHBOARD: &str = "contrib/grafana/keystead.json";
const RULES: &str = "contrib/prometheus/keystead.rules.yml";
/// Exported, but not on the dashboard, because another metric there shows the same.
const NOT_SHOWN: [&str; 3] =
    ["keystead_audit_head_number", "keystead_organization_api_keys", "keystead_organization_audit_events"];

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).expect("JSON")
}

/// All texts in it.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Every series of a server that has served a verification, forward auth and a readiness check.
fn series() -> Vec<String> {
    let (server, watcher) = watched(&[]);
    let admin = server.client();
    admin.post("/v2/verify", json!({"value": "nonsense"})).data();
    admin.get("/auth/nginx");
    admin.get("/readyz");
    Reading::of(&watcher).series().map(str::to_owned).collect()
}

/// Asserts that each metric in the text is exported with the labels and values that are used. Returns the families.
fn check(text: &str, series: &[String]) -> BTreeSet<String> {
    let metric = Regex::new(r"(?-u:\b)((?:keystead|process)_[a-z_]+)(?:\{([^}]*)\})?").expect("a pattern");
    let matcher = Regex::new(r#"([a-z]+)(=~|=)"([^"]*)""#).expect("a pattern");
    let mut families = BTreeSet::new();
    for found in metric.captures_iter(text) {
        let name = &found[1];
        let named: Vec<&String> =
            series.iter().filter(|one| one.split('{').next().is_some_and(|n| n == name)).collect();
        assert!(!named.is_empty(), "{name} is not exported: {text}");
        let matchers = found.get(2).map_or("", |matchers| matchers.as_str());
        for part in matcher.captures_iter(matchers) {
            let (label, value) = (&part[1], &part[3]);
            // Prometheus adds these.
            if ["job", "instance"].contains(&label) {
                continue;
            }
            let pattern = if &part[2] == "=" { regex::escape(value) } else { value.to_owned() };
            // No request has failed on this server.
            let pattern = if label == "status" { "[1-5][0-9]{2}".to_owned() } else { format!("(?:{pattern})") };
            let pattern = Regex::new(&format!("[{{,]{label}=\"{pattern}\"[,}}]")).expect("a pattern");
            assert!(named.iter().any(|one| pattern.is_match(one)), "{name} has no {label} {value}: {text}");
        }
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        families.insert(base.unwrap_or(name).to_owned());
    }
    families
}

#[test]
fn the_dashboard_shows_exactly_the_exported_metrics() {
    let series = series();
    let dashboard = dashboard();
    let shown: BTreeSet<String> = texts(&dashboard).into_iter().flat_map(|text| check(text, &series)).collect();
    let exported = super::metrics::FAMILIES.iter().map(|(name, _)| *name);
    let expected: BTreeSet<String> = exported.filter(|name| !NOT_SHOWN.contains(name)).map(str::to_owned).collect();
    assert_eq!(shown, expected);
}

#[test]
fn every_metric_in_the_alerts_is_exported() {
    assert!(check(&read(RULES), &series()).len() >= 8);
}

#[test]
fn every_alert_states_the_problem_and_the_action() {
    let rules = read(RULES);
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        for part in ["expr:", "severity:", "summary:", "description:"] {
            assert_eq!(alert.matches(part).count(), 1, "{part} {alert}");
        }
    }
}

#[test]
fn the_dashboard_is_one_page_that_any_grafana_can_take() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let number = |panel: &Value, name: &str| panel["gridPos"][name].as_u64().expect("a number");
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title}");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        let (x, y) = (number(panel, "x"), number(panel, "y"));
        for place in (y..y + number(panel, "h")).flat_map(|y| (x..x + number(panel, "w")).map(move |x| (x, y))) {
            assert!(place.0 < 24 && taken.insert(place), "{title} is over another panel or the edge");
        }
        for target in panel["targets"].as_array().expect("targets") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(target["expr"].as_str().is_some_and(|text| !text.is_empty()), "{title}");
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> = variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
}
