//! Progress bars.

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use std::fmt;
use std::time::Duration;

/// How long the rate is measured before the bar shows the time that is left.
const RATE_KNOWN: Duration = Duration::from_secs(1);

/// A progress bar, shown at a terminal only. `total` is `None` if it is unknown; `unit` is what is counted, such as `events`.
pub(in crate::cli) fn bar(total: Option<u64>, unit: &str) -> ProgressBar {
    with_words(total, unit, "", " left")
}

/// A progress bar for one step of several. Each step has its own rate and its own bar; the time that is left is the step's.
pub(in crate::cli) fn bar_of_step(total: Option<u64>, unit: &str, step: u8, steps: u8) -> ProgressBar {
    let [which, left] = words_of_step(step, steps);
    with_words(total, unit, &which, &left)
}

fn words_of_step(step: u8, steps: u8) -> [String; 2] {
    [format!(" (step {step} of {steps})"), format!(" left in step {step} of {steps}")]
}

/// `which` follows the unit until the time that is left is known; `left` follows that time.
fn with_words(total: Option<u64>, unit: &str, which: &str, left: &str) -> ProgressBar {
    // The bar shrinks so that the text fits into a line.
    let (progress, template) = match total {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {human_pos} of {human_len} {msg}{left}"),
        None => (ProgressBar::no_length(), "{human_pos} {msg}{left}"),
    };
    let (which, left) = (which.to_owned(), left.to_owned());
    let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
        let time = time_left(state.elapsed(), state.pos(), state.len().unwrap_or_default());
        // A failed write leaves out the text.
        _ = out.write_str(&after_unit(time, &which, &left));
    };
    let style = ProgressStyle::with_template(template).map(|style| style.with_key("left", left));
    progress.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(unit.to_owned())
}

fn after_unit(time: Option<Duration>, which: &str, left: &str) -> String {
    time.map_or_else(|| which.to_owned(), |time| format!(", {}{left}", HumanDuration(time)))
}

/// The estimated time for the rest, one second at least; `None` while it is unknown.
fn time_left(elapsed: Duration, done: u64, total: u64) -> Option<Duration> {
    let rest = total.checked_sub(done).filter(|rest| *rest > 0 && done > 0 && elapsed >= RATE_KNOWN)?;
    let left = Duration::try_from_secs_f64(elapsed.as_secs_f64() / done as f64 * rest as f64).ok()?;
    Some(left.max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_in_a_step_is_labelled_as_the_step_s() {
        let [which, left] = words_of_step(2, 4);
        let shown = |time| format!("1,000,000 of 1,000,000 keys looked for{}", after_unit(time, &which, &left));
        assert_eq!(shown(None), "1,000,000 of 1,000,000 keys looked for (step 2 of 4)");
        let words = shown(Some(Duration::from_secs(600)));
        assert_eq!(words, "1,000,000 of 1,000,000 keys looked for, 10 minutes left in step 2 of 4");
        assert!(words.len() < 80, "a narrow terminal has room for it");
    }

    #[test]
    fn the_time_left_is_estimated_from_the_rate_and_hidden_until_it_is_known() {
        let left = |ms, done, total| time_left(Duration::from_millis(ms), done, total);
        assert_eq!(left(2_000, 100, 400), Some(Duration::from_secs(6)));
        assert_eq!(left(10_000, 399, 400), Some(Duration::from_secs(1)), "less than that is no time");
        assert_eq!(left(999, 100, 400), None, "too soon");
        assert_eq!(left(60_000, 0, 400), None, "nothing is done");
        assert_eq!(left(60_000, 400, 400), None, "nothing is left");
        assert_eq!(left(60_000, 5, 0), None, "nobody knows how much there is");
        assert_eq!(left(u64::MAX, 1, u64::MAX), None, "longer than there are seconds");
    }
}
