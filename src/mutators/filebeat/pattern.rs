//! Regular expressions as Filebeat reads them: Go's syntax, checked with a parser of Rust's.
//!
//! The two differ in few places. Here Go's text is written as Rust's where only the spelling differs, and refused
//! where Go would refuse it. Source of Go's syntax: `regexp/syntax`.

use std::iter::Peekable;
use std::str::Chars;

/// The longest expression that is looked at, in bytes: some of its parts are gone through again for others.
const LONGEST: usize = 1024;
/// Go's parser refuses larger counts.
const MAX_REPEAT: u32 = 1000;
const POSIX_CLASSES: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Checks that a text is a regular expression for Filebeat.
///
/// # Errors
/// In one sentence, what is wrong with it.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() > LONGEST {
        return Err(format!("it has {} bytes, and may have {LONGEST}", pattern.len()));
    }
    let rust = rewrite(pattern)?;
    // Its syntax alone: what it means would take milliseconds for each class of Unicode's under `(?i)`.
    regex_syntax::ast::parse::Parser::new().parse(&rust).map(drop).map_err(|error| error.kind().to_string())
}

/// Checks that Unicode has a class of this name; the syntax alone does not tell.
fn unicode_class(name: &str) -> Result<(), String> {
    if matches!(name, "C" | "L" | "M" | "N" | "P" | "S" | "Z") {
        return Ok(());
    }
    let class = format!(r"\p{{{}}}", name.trim_start_matches('^'));
    regex_syntax::Parser::new().parse(&class).map(drop).map_err(|_| format!("Unicode has no class {name:?}"))
}

/// The same expression in the spelling of Rust.
fn rewrite(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    let mut repeated = false;
    while let Some(c) = rest.next() {
        let repeats = matches!(c, '*' | '+' | '?') || c == '{' && repeat(rest.clone()).is_some();
        if repeats && repeated {
            return Err(format!("{c:?} repeats a repetition; put it into parentheses"));
        }
        repeated = repeats;
        match c {
            '*' | '+' | '?' => {
                out.push(c);
                lazy(&mut rest, &mut out);
            }
            '\\' => escape(&mut rest, &mut out)?,
            '[' => class(&mut rest, &mut out)?,
            '{' => match repeat(rest.clone()) {
                Some(count) => {
                    limit(&count)?;
                    rest.nth(count.chars().count());
                    out.push_str(&format!("{{{count}}}"));
                    lazy(&mut rest, &mut out);
                }
                // Go takes a brace that opens no count as it stands.
                None => out.push_str(r"\{"),
            },
            '}' => out.push_str(r"\}"),
            '(' => {
                flags(rest.clone())?;
                out.push('(');
                // The `?` behind it repeats nothing.
                out.extend(rest.next_if_eq(&'?'));
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
    match rest.next() {
        None => Err("it ends with a lone \\".to_owned()),
        Some('Q') => {
            let tail: String = rest.by_ref().collect();
            let (quoted, after) = tail.split_once(r"\E").unwrap_or((&tail, ""));
            out.push_str(&regex_syntax::escape(quoted));
            out.push_str(&rewrite(after)?);
            Ok(())
        }
        Some(c @ ('C' | 'Z' | 'G' | 'K' | 'R' | 'X' | 'h' | 'H' | '<' | '>' | 'u' | 'U' | '1'..='9')) => {
            Err(format!("Filebeat's expressions have no \\{c}"))
        }
        Some(c) => {
            out.extend(['\\', c]);
            if matches!(c, 'p' | 'P' | 'x') && rest.peek() == Some(&'{') {
                let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                if c != 'x' {
                    unicode_class(name.trim_start_matches('{'))?;
                }
                out.push_str(&format!("{name}}}"));
            } else if let ('p' | 'P', Some(letter)) = (c, rest.peek()) {
                unicode_class(&letter.to_string())?;
            }
            Ok(())
        }
    }
}

/// A `?` behind a repetition makes it prefer fewer.
fn lazy(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.extend(rest.next_if_eq(&'?'));
}

/// A bracket expression. In Go `[`, `&&`, `--` and `~~` mean nothing within one.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    if rest.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    while let Some(c) = rest.next() {
        match c {
            ']' => {
                out.push(']');
                return Ok(());
            }
            '[' if rest.peek() == Some(&':') => named_class(rest, out)?,
            '[' | '&' | '~' => out.extend(['\\', c]),
            '\\' => escape(rest, out)?,
            _ => out.push(c),
        }
    }
    Err("a [ is never closed".to_owned())
}

/// `[:alpha:]`; where no `:]` follows, Go takes the bracket as it stands.
fn named_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
    let tail: String = rest.clone().skip(1).collect();
    match tail.split_once(":]") {
        Some((name, _)) if POSIX_CLASSES.contains(&name.trim_start_matches('^')) => {
            rest.nth(name.len() + 2);
            out.push_str(&format!("[:{name}:]"));
            Ok(())
        }
        Some((name, _)) => Err(format!("there is no class [:{name}:]")),
        None => {
            out.push_str(r"\[");
            Ok(())
        }
    }
}

/// The text between the braces of a count (`2`, `2,`, `2,5`), if it is one.
fn repeat(rest: Peekable<Chars<'_>>) -> Option<String> {
    let inner: String = rest.take_while(|c| *c != '}').collect();
    let (low, high) = inner.split_once(',').unwrap_or((&inner, ""));
    let is_count = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    (!low.is_empty() && is_count(low) && is_count(high)).then_some(inner)
}

fn limit(count: &str) -> Result<(), String> {
    let too_many = |number: &str| !number.is_empty() && !number.parse().is_ok_and(|n: u32| n <= MAX_REPEAT);
    if count.split(',').any(too_many) {
        return Err(format!("it repeats {{{count}}}; Filebeat takes at most {MAX_REPEAT}"));
    }
    Ok(())
}

/// After `(?` Go takes a name, `:`, or the flags i, m, s and U.
fn flags(mut rest: Peekable<Chars<'_>>) -> Result<(), String> {
    if rest.next_if_eq(&'?').is_none() || matches!(rest.peek(), Some('P' | '<')) {
        let behind: String = rest.take(2).collect();
        return if matches!(behind.as_str(), "<=" | "<!") {
            Err("Filebeat's expressions look neither ahead nor behind".to_owned())
        } else {
            Ok(())
        };
    }
    match rest.find(|c| !matches!(c, 'i' | 'm' | 's' | 'U' | '-')) {
        Some(':' | ')') => Ok(()),
        Some('=' | '!') => Err("Filebeat's expressions look neither ahead nor behind".to_owned()),
        Some(c) => Err(format!("Filebeat's expressions have no flag {c:?}")),
        None => Err("a ( is never closed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_go_takes_is_taken() {
        for pattern in [
            r"^\d{4}-\d{2}",
            r"^\[",
            r"^[[:space:]]+(at|\.{3})\b",
            "^{",
            r#"^\{"level""#,
            "a{,3}",
            "a{x}",
            "[[a]",
            "[]a]",
            "[^]a]",
            "[a&&b]",
            r"\Qa.b[\E+",
            "[[:^digit:]x]",
            "[[:a]",
            r"(?i)error",
            r"(?P<name>x)",
            r"(?<name>x)",
            r"(?:a|b)*?",
            "a??b{2}?c",
            r"\pL\p{Greek}",
            r"[\w.-]+",
            r"\x{10FFFF}",
            r"^\s*$",
            "a}",
            r"\z",
            "(?s-i:x)",
            "x{1000}",
            "",
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "(",
            ")",
            "[a",
            "*a",
            "a**b",
            "a{2}{3}",
            "a+*",
            r"\",
            "(?=x)",
            "(?!x)",
            "(?<=x)",
            "(?<!x)",
            "(?x) a",
            r"\1",
            "x{1001}",
            "x{5,2}",
            r"\C",
            r"\u0041",
            "[z-a]",
            "[[:nope:]]",
            r"\p{Nope}",
            r"\pY",
            r"[a\P{^Nope}]",
        ] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }
}
