//! Owns what is read from texts that nixmig wrote: the commands that they advise, and what is the same in every run.

/// The commands in a text: between backquotes, over line ends, and on lines of their own.
pub(super) fn commands(text: &str) -> Vec<String> {
    let bare: Vec<_> = text
        .lines()
        .map(|line| line.trim_start_matches([' ', '│']))
        .collect();
    let joined = bare.join(" ");
    let quoted = joined
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|words| words.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines = bare.iter().filter_map(|line| {
        line.starts_with("nixmig ")
            .then(|| line.split("   ").next())
            .flatten()
    });
    quoted
        .chain(lines.map(str::to_owned))
        .filter(|line| line.starts_with("nixmig "))
        .collect()
}

/// A text without ids, names of backups, times, processes and counts of events.
pub(super) fn steady(text: &str) -> String {
    let is_hex =
        |word: &str, length| word.len() == length && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let line = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let mut steady: Vec<String> = Vec::new();
        for (at, &word) in words.iter().enumerate() {
            let bare = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
            let unit = words
                .get(at + 1)
                .is_some_and(|next| next.trim_end_matches(':') == "s");
            let shown = if is_hex(bare, 16) {
                word.replace(bare, "RUN")
            } else if is_hex(bare, 32) {
                word.replace(bare, "RECORD")
            } else if unit && word.parse::<f64>().is_ok() {
                "N.N".to_owned()
            } else if words
                .get(at + 1)
                .is_some_and(|next| ["event", "events"].contains(next))
            {
                "N".to_owned()
            } else if at > 0 && words[at - 1] == "process" && bare.parse::<u32>().is_ok() {
                word.replace(bare, "PID")
            } else if let Some((before, name)) = word.split_once("/backups/") {
                let random =
                    name.trim_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
                format!("{before}/backups/{}", name.replace(random, "RANDOM"))
            } else {
                word.to_owned()
            };
            steady.push(shown);
        }
        steady.join(" ")
    };
    // Where systemd runs, units were looked at.
    let lines = text
        .lines()
        .filter(|line| !line.contains("still run was not looked at"));
    lines.map(line).collect::<Vec<_>>().join("\n") + "\n"
}
