//! Owns what is understood of a build command: the words of one line, and the few lines of nixpkgs that name what a system
//! is made of. Runs nothing and expands nothing.

use std::borrow::Cow;

/// The words of a line, quotes taken off as a shell does; `$` and what follows stays as it stands. `None` where a quote
/// is left open: the line goes on in the next one, and is none of those that are looked for.
pub(super) fn words(line: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let plain = rest
            .find(|c: char| c.is_ascii_whitespace() || "'\"\\".contains(c))
            .unwrap_or(rest.len());
        if rest[plain..]
            .chars()
            .next()
            .is_none_or(|c| c.is_ascii_whitespace())
        {
            words.push(Cow::Borrowed(&rest[..plain]));
            rest = rest[plain..].trim_start();
            continue;
        }
        let (word, after) = quoted_word(rest)?;
        words.push(Cow::Owned(word));
        rest = after.trim_start();
    }
    Some(words)
}

fn quoted_word(text: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_ascii_whitespace() => return Some((word, &text[at..])),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '\\') => word.push(chars.next()?.1),
            (Some('"'), '\\') => match chars.next()?.1 {
                escaped @ ('$' | '`' | '"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            (_, c) => word.push(c),
        }
    }
    quote.is_none().then_some((word, ""))
}

/// What `ln -s SOURCE TARGET` links to `target`, of the first such line.
pub(super) fn linked<'a>(command: &'a str, target: &str) -> Option<Cow<'a, str>> {
    links(command).find_map(|(source, found)| (found == target).then_some(source))
}

/// The source and target of every line that is `ln -s SOURCE TARGET`.
pub(super) fn links(command: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    command
        .lines()
        .filter(|line| line.trim_start().starts_with("ln -s "))
        .filter_map(words)
        .filter_map(|words| <[_; 4]>::try_from(words).ok())
        .map(|[_, _, source, target]| (source, target))
}

/// The source of the entry of `/etc` with this name, as `makeEtcEntry SOURCE TARGET MODE USER GROUP` has it.
pub(super) fn etc_entry<'a>(command: &'a str, target: &str) -> Option<Cow<'a, str>> {
    etc_entries(command).find_map(|(source, found)| (found == target).then_some(source))
}

/// The source and name of every entry of `/etc`.
pub(super) fn etc_entries(command: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    // nixpkgs' escapeShellArg quoted every word until 23.05, and quotes those that need it since.
    const ENTRY: [&str; 2] = ["makeEtcEntry ", "'makeEtcEntry' "];
    command
        .lines()
        .filter(|line| ENTRY.iter().any(|entry| line.trim_start().starts_with(entry)))
        .filter_map(words)
        .filter_map(|words| {
            let mut words = words.into_iter().skip(1);
            Some((words.next()?, words.next()?))
        })
}

/// How the units of a loop of `generateUnits` (nixos/lib/systemd-lib.nix) get into the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// As the unit, or as a drop-in where a package brings the unit.
    Unit,
    /// As a drop-in, whatever there is.
    DropIn,
}

/// The paths of the unit derivations that `generateUnits` goes through, in its order.
pub(super) fn units(command: &str) -> impl Iterator<Item = (&str, Strategy)> {
    const LOOP: &str = "for i in ";
    command.split(LOOP).skip(1).flat_map(|text| {
        let (items, body) = text.split_once("; do").unwrap_or_default();
        let strategy = match (
            body.contains("$(basename $i/*)"),
            body.contains("[ -e $out/$fn ]"),
        ) {
            (true, true) => Some(Strategy::Unit),
            (true, false) => Some(Strategy::DropIn),
            (false, _) => None,
        };
        strategy
            .into_iter()
            .flat_map(move |strategy| items.split_ascii_whitespace().map(move |item| (item, strategy)))
    })
}

/// The names of upstream's units that `generateUnits` takes over.
pub(super) fn upstream_units(command: &str) -> impl Iterator<Item = &str> {
    command.split("for i in ").skip(1).flat_map(|text| {
        let (items, body) = text.split_once("; do").unwrap_or_default();
        let upstream = body
            .lines()
            .take(2)
            .any(|line| line.contains("/example/systemd/system/$i"));
        let items = if upstream { items } else { "" };
        items.split_ascii_whitespace()
    })
}

/// The paths of the packages that `generateUnits` takes units from, whose names no derivation has: it goes through what it
/// calls `packages`, or through the paths themselves.
pub(super) fn packages(command: &str) -> impl Iterator<Item = &str> {
    let assigned = command
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("packages=\"")?.strip_suffix('"'));
    let looped = command.split("for i in ").skip(1).filter_map(|text| {
        let (items, body) = text.split_once("; do")?;
        let of_packages = body.lines().take(2).any(|line| line.contains("for fn in $i/"));
        // The loop through `packages` has a variable here.
        (of_packages && !items.contains('$')).then_some(items)
    });
    assigned.chain(looped).flat_map(str::split_ascii_whitespace)
}

/// The units that `generateUnits` links, each with its alias where the link is one: `ln -sfn 'NAME' $out/'ALIAS'`, or
/// `ln -sfn '../NAME' $out/'OTHER.wants'/`.
pub(super) fn linked_units(command: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    command.lines().filter_map(|line| {
        let link = line.trim_start().strip_prefix("ln -sfn '")?;
        let (source, target) = link.split_once("' $out/'")?;
        match source.strip_prefix("../") {
            Some(unit) => Some((unit, None)),
            None => Some((source, Some(target.strip_suffix('\'')?))),
        }
    })
}

/// The name of the unit that a derivation of `makeUnit` makes, as its command has it: `name=NAME`, backslashes doubled.
pub(super) fn unit_name(command: &str) -> Option<String> {
    let name = command
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("name="))?;
    Some(name.trim_end().replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        words(line).map(|words| words.into_iter().map(Cow::into_owned).collect())
    }

    #[test]
    fn words_are_split_and_unquoted_as_a_shell_does() {
        for (line, expected) in [
            ("  ln -s /a $out/etc ", &["ln", "-s", "/a", "$out/etc"][..]),
            ("'a b' \"c 'd\" e\\ f", &["a b", "c 'd", "e f"]),
            ("'it'\\''s' x''y \"\"", &["it's", "xy", ""]),
            ("\"\\$a \\\\ \\x\"", &["$a \\ \\x"]),
            ("", &[]),
        ] {
            assert_eq!(split(line).unwrap(), expected, "{line}");
        }
        for line in ["'open", "a \"b", "a\\"] {
            assert_eq!(split(line), None, "{line}");
        }
    }

    #[test]
    fn links_are_found_among_other_commands() {
        let command = "mkdir $out\n\nln -s /s/a-etc/etc $out/etc\n  ln -s \"$systemd\" $out/systemd\n\
                       ln -sfn x $out/y\nln -s a b c\nln -s /s/b $out/specialisation/'a b'\n";
        assert_eq!(linked(command, "$out/etc").as_deref(), Some("/s/a-etc/etc"));
        assert_eq!(linked(command, "$out/none"), None);
        let all: Vec<_> = links(command).map(|(_, target)| target).collect();
        assert_eq!(all, ["$out/etc", "$out/systemd", "$out/specialisation/a b"]);
    }

    #[test]
    fn entries_of_etc_with_and_without_quotes() {
        for command in [
            "makeEtcEntry() {\n src=\"$1\"\n}\nmakeEtcEntry /s/u systemd/system symlink +0 +0\n",
            "'makeEtcEntry' '/s/u' 'systemd/system' 'symlink' '+0' '+0'",
        ] {
            assert_eq!(
                etc_entry(command, "systemd/system").as_deref(),
                Some("/s/u"),
                "{command}"
            );
            assert_eq!(etc_entry(command, "systemd/user"), None);
        }
    }

    #[test]
    fn units_come_with_their_strategy() {
        let command = "for i in a.target b.target; do\n  fn=/s/x/$i\ndone\nfor i in /s/1 /s/2; do\n  \
                       fn=$(basename $i/*)\n  if [ -e $out/$fn ]; then\n  ln\n  fi\ndone\n\
                       for i in /s/3; do\n  fn=$(basename $i/*)\n  mkdir -p $out/$fn.d\ndone\nfor i in ; do\n\
                       fn=$(basename $i/*)\ndone\nfor i in";
        let found: Vec<_> = units(command).collect();
        assert_eq!(
            found,
            [
                ("/s/1", Strategy::Unit),
                ("/s/2", Strategy::Unit),
                ("/s/3", Strategy::DropIn)
            ]
        );
    }

    #[test]
    fn packages_are_seen_however_they_are_gone_through() {
        let real = |packages: &str| {
            format!(
                "packages=\"{packages}\"\ndeclare -A unique_packages\nfor i in ${{!unique_packages[@]}}; do\n  \
                 for fn in $i/etc/systemd/system/* $i/lib/systemd/system/*; do\n  done\ndone\n"
            )
        };
        let plain = |packages: &str| {
            format!("for i in {packages}; do\n  for fn in $i/lib/systemd/system/*; do\n  done\ndone\n")
        };
        for (of, expected) in [
            (&real as &dyn Fn(&str) -> String, "/s/a-dbus-1 /s/b"),
            (&real, ""),
            (&plain, "/s/a-dbus-1"),
            (&plain, ""),
        ] {
            let command = of(expected);
            assert_eq!(
                packages(&command).collect::<Vec<_>>().join(" "),
                expected,
                "{command}"
            );
        }
        assert_eq!(
            packages("for i in /s/1; do\n  fn=$(basename $i/*)\ndone\n").count(),
            0
        );
    }

    #[test]
    fn a_units_name_has_its_backslashes() {
        let command = "name=a-b\\\\x2dc@.service\nmkdir -p \"$out/$(dirname -- \"$name\")\"\n";
        assert_eq!(unit_name(command).as_deref(), Some("a-b\\x2dc@.service"));
        assert_eq!(unit_name("echo"), None);
    }
}
