//! What is told, within bounds: a Pod of a megabyte can be wrong in many thousand places.

use std::fmt::Display;

/// How many characters are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// The most of one text: an app team's own words may stand in it.
    one: usize,
    /// The most of all texts together.
    all: usize,
}

/// Of warnings. Beyond 4,096 characters for one request the API server cuts every one of them at 256, and a sentence
/// loses the half that says what would be right; the rest is for other webhooks. Source:
/// `pkg/endpoints/filters/warning.go` of the apiserver, which tells the same text only once.
pub(super) const WARNINGS: Limit = Limit { one: 1_024, all: 3_840 };

/// Of refusals and of what goes into the cluster's audit log.
pub(super) const REASONS: Limit = Limit { one: 4_096, all: 16_384 };

/// The most sentences.
const MOST: usize = 50;
/// What the last sentence needs, which says how many were left out.
const CLOSING_CHARS: usize = 80;

/// The first of these sentences, the most important first, as many as fit whole; how many more there are is told too.
/// Of those nothing is made: there may be very many.
pub(super) fn within(sentences: impl Iterator<Item = impl Display>, limit: Limit) -> Vec<String> {
    let mut sentences = sentences;
    let (mut told, mut chars) = (Vec::<String>::new(), 0);
    while told.len() <= MOST && chars <= limit.all {
        let Some(sentence) = sentences.next() else { return told };
        let mut text = sentence.to_string();
        cut(&mut text, limit.one);
        // There are few, and of those most differ in length.
        if !told.contains(&text) {
            chars += text.chars().count();
            told.push(text);
        }
    }
    let mut left_out = sentences.count();
    while told.len() > MOST || chars + CLOSING_CHARS > limit.all {
        let Some(text) = told.pop() else { break };
        chars -= text.chars().count();
        left_out += 1;
    }
    told.push(format!("and {left_out} more; podwright explain tells all of them"));
    told
}

/// The same, as one text.
pub(super) fn joined(sentences: impl Iterator<Item = impl Display>) -> String {
    let mut told = within(sentences, REASONS);
    // Most often there is one or none.
    if told.len() <= 1 { told.pop().unwrap_or_default() } else { told.join("; ") }
}

fn cut(text: &mut String, chars: usize) {
    // No text has more characters than bytes.
    if text.len() <= chars {
        return;
    }
    let mut ends = text.char_indices().skip(chars - 1).map(|(end, _)| end);
    if let (Some(end), Some(_)) = (ends.next(), ends.next()) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(warnings: &[String]) -> usize {
        warnings.iter().map(|warning| warning.chars().count()).sum()
    }

    fn bounded(warnings: impl IntoIterator<Item = String>) -> Vec<String> {
        within(warnings.into_iter(), WARNINGS)
    }

    #[test]
    fn few_stay_as_they_are_and_are_told_once() {
        let few = ["b", "a", "b"].map(str::to_owned);
        assert_eq!(bounded(few), ["b", "a"]);
        let just_so = ["a", "b", "c", "d"].map(|letter| letter.repeat(WARNINGS.all / 4));
        assert_eq!(bounded(just_so.clone()), just_so);
    }

    #[test]
    fn of_many_the_first_stay_whole_and_the_others_are_counted() {
        let many: Vec<_> = (0..100).map(|number| format!("{number:0>200}")).collect();
        let kept = bounded(many.clone());
        let (closing, kept) = kept.split_last().unwrap();
        assert_eq!(kept, &many[..18]);
        assert_eq!(closing, "and 82 more; podwright explain tells all of them");
    }

    #[test]
    fn whatever_comes_the_limit_holds() {
        for (count, length) in [(1, 5000), (1000, 1), (5000, 1), (17, 256), (4, 961), (3, 1_000_000)] {
            let all = (0..count).map(|number| format!("{number}{}", "ü".repeat(length)));
            let kept = bounded(all);
            assert!(chars(&kept) <= WARNINGS.all, "{count} of {length}: {}", chars(&kept));
            assert!(
                kept.iter().all(|warning| warning.chars().count() <= WARNINGS.one),
                "{count} of {length}"
            );
            assert!(kept.len() >= 2 || count == 1, "{count} of {length}");
        }
    }
}
