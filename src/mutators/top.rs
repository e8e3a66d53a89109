//! Where a mount is, at a glance: most are nowhere near what a mutator mounts, and need not be read as paths.

use crate::pod::AbsolutePath;

/// The first name of a path from the root: no path with another is the same, above it or below it. `None` where that
/// takes a closer look.
pub(super) fn top(path: &str) -> Option<&[u8]> {
    let names = path.as_bytes().split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let is_plain = |name: &[u8]| name != b".." && name.iter().all(u8::is_ascii_graphic);
    let mut names = names.peekable();
    let first = *names.peek()?;
    names.all(is_plain).then_some(first)
}

/// The first name of a path that has been read; empty for the root.
pub(super) fn first(path: &AbsolutePath) -> &[u8] {
    path.as_str().as_bytes().split(|byte| *byte == b'/').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_lead_anywhere_takes_a_closer_look() {
        for (path, first) in [
            ("/var/log/app", Some("var")),
            ("//./var/..log", Some("var")),
            ("var", Some("var")),
            ("/", None),
            ("", None),
            ("/./", None),
            ("/..", None),
            ("/var/../proc", None),
            ("/var/..", None),
            ("/v\u{e4}r", None),
            ("/var/\u{7}", None),
        ] {
            assert_eq!(top(path), first.map(str::as_bytes), "{path:?}");
        }
    }
}
