//! A reader of Rust text that tells code from strings and comments; enough for rules about lines and words.

/// A source text split into its code and its comments; both keep the lines of the original.
pub(crate) struct Parts {
    /// The code; what stood in strings is `_`, comments are blanks.
    pub(crate) code: String,
    /// The comments; all else is blanks.
    pub(crate) comments: String,
}

/// What the reader is in the middle of.
#[derive(Clone, Copy)]
enum Inside {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

/// What a piece of text is.
#[derive(Clone, Copy)]
enum Piece {
    Code,
    Text,
    Comment,
}

/// Splits a source text.
pub(crate) fn split(source: &str) -> Parts {
    let chars: Vec<char> = source.chars().collect();
    let mut parts = Parts { code: String::new(), comments: String::new() };
    let mut inside = Inside::Code;
    let mut at = 0;
    while at < chars.len() {
        let (next, piece, length) = step(&chars, at, inside);
        for &c in &chars[at..at + length] {
            let (code, comment) = match (c, piece) {
                ('\n', _) => ('\n', '\n'),
                (_, Piece::Comment) => (' ', c),
                (_, Piece::Text) => ('_', ' '),
                (_, Piece::Code) => (c, ' '),
            };
            parts.code.push(code);
            parts.comments.push(comment);
        }
        at += length;
        inside = next;
    }
    parts
}

/// Reads one piece: returns what the reader is in afterwards, what the piece is, and how many characters it has.
fn step(chars: &[char], at: usize, inside: Inside) -> (Inside, Piece, usize) {
    let rest = &chars[at..];
    match inside {
        Inside::Code => step_in_code(chars, at),
        Inside::LineComment if rest[0] == '\n' => (Inside::Code, Piece::Comment, 1),
        Inside::LineComment => (inside, Piece::Comment, 1),
        Inside::BlockComment { depth } => match rest {
            ['/', '*', ..] => (Inside::BlockComment { depth: depth + 1 }, Piece::Comment, 2),
            ['*', '/', ..] if depth == 1 => (Inside::Code, Piece::Comment, 2),
            ['*', '/', ..] => (Inside::BlockComment { depth: depth - 1 }, Piece::Comment, 2),
            _ => (inside, Piece::Comment, 1),
        },
        Inside::Text => match rest {
            ['\\', _, ..] => (inside, Piece::Text, 2),
            ['"', ..] => (Inside::Code, Piece::Code, 1),
            _ => (inside, Piece::Text, 1),
        },
        Inside::RawText { hashes } if closes_raw_text(rest, hashes) => (Inside::Code, Piece::Code, hashes + 1),
        Inside::RawText { .. } => (inside, Piece::Text, 1),
    }
}

fn step_in_code(chars: &[char], at: usize) -> (Inside, Piece, usize) {
    match &chars[at..] {
        ['/', '/', ..] => (Inside::LineComment, Piece::Comment, 2),
        ['/', '*', ..] => (Inside::BlockComment { depth: 1 }, Piece::Comment, 2),
        ['"', ..] => (Inside::Text, Piece::Code, 1),
        ['\'', '\\', _, tail @ ..] => match tail.iter().position(|c| *c == '\'') {
            Some(end) => (Inside::Code, Piece::Text, end + 4),
            None => (Inside::Code, Piece::Code, 1),
        },
        ['\'', _, '\'', ..] => (Inside::Code, Piece::Text, 3),
        ['r', tail @ ..] if starts_word(chars, at) => match raw_text_hashes(tail) {
            Some(hashes) => (Inside::RawText { hashes }, Piece::Code, hashes + 2),
            None => (Inside::Code, Piece::Code, 1),
        },
        _ => (Inside::Code, Piece::Code, 1),
    }
}

/// Returns whether an `r` starts a word, alone or after the `b` or `c` of `br` and `cr`.
fn starts_word(chars: &[char], at: usize) -> bool {
    let in_word = |c: &char| c.is_alphanumeric() || *c == '_';
    match &chars[..at] {
        [before @ .., 'b' | 'c'] => !before.last().is_some_and(in_word),
        before => !before.last().is_some_and(in_word),
    }
}

fn raw_text_hashes(tail: &[char]) -> Option<usize> {
    let hashes = tail.iter().take_while(|c| **c == '#').count();
    (tail.get(hashes) == Some(&'"')).then_some(hashes)
}

fn closes_raw_text(rest: &[char], hashes: usize) -> bool {
    rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|c| *c == '#')
}

/// Returns the line numbers, from 1, on which a word stands by itself.
pub(crate) fn lines_with_word(text: &str, word: &str) -> Vec<usize> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let has_word = |line: &str| {
        let mut places = line.match_indices(word);
        places.any(|(at, _)| !line[..at].ends_with(in_word) && !line[at + word.len()..].starts_with(in_word))
    };
    text.lines().zip(1..).filter(|(line, _)| has_word(line)).map(|(_, number)| number).collect()
}

/// Returns the modules that code declares, with a body or without.
pub(crate) fn declared_modules(code: &str) -> Vec<&str> {
    let words: Vec<&str> =
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    words.windows(2).filter(|pair| pair[0] == "mod").map(|pair| pair[1]).collect()
}

#[test]
fn strings_and_comments_are_told_from_code() {
    let table = [
        ("a // b", "a     ", "  // b"),
        ("a /* b /* c */ */ d", "a                 d", "  /* b /* c */ */  "),
        (r#"f("// {\"", x)"#, r#"f("______", x)"#, ""),
        (r##"r#"a"b"# + c"##, r##"r#"___"# + c"##, ""),
        (r##"br"{" + bar"}""##, r##"br"_" + bar"_""##, ""),
        ("'{' '\\'' '\\u{7d}' &'a T", "___ ____ ________ &'a T", ""),
    ];
    for (source, code, comments) in table {
        let parts = split(source);
        assert_eq!(parts.code, code, "{source}");
        assert_eq!(parts.comments.trim_end(), comments.trim_end(), "{source}");
    }
}

#[test]
fn words_and_modules_are_found_whole() {
    assert_eq!(lines_with_word("a b\nab\n b_a\n(a)", "a"), [1, 4]);
    assert_eq!(declared_modules("mod a;\npub(crate) mod b { }\nmodel; r#mod x"), ["a", "b", "x"]);
}
