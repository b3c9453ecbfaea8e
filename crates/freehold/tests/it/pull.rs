//! `freehold models pull` against a server of this machine that cuts, changes, lies and refuses; nobody else is ever asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::models::gguf;
use crate::running::{Ran, freehold, run};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server does with one request.
#[derive(Clone)]
enum Do {
    /// Sends the file, or the part that is asked for, with this mark.
    Serve { file: Vec<u8>, mark: &'static str },
    /// Announces all of it and closes after so many bytes.
    Cut { file: Vec<u8>, mark: &'static str, after: usize },
    /// Answers with these head lines and an empty body.
    Head(String),
}

/// A server that works through what it is told, one connection each, and keeps the requests.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(script: Vec<Do>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        let mut script = VecDeque::from(script);
        std::thread::spawn(move || {
            while let Some(step) = script.pop_front() {
                let Ok((socket, _)) = listener.accept() else { return };
                let request = head(&socket);
                answer(&socket, &step, &request);
                requests.lock().unwrap().push(request);
            }
        });
        Server { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn head(socket: &TcpStream) -> String {
    let lines = BufReader::new(socket).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    lines.map(|line| line + "\n").collect::<String>().to_ascii_lowercase()
}

/// Returns the byte that a request begins at, where it still wants the file of this mark.
fn wanted(request: &str, mark: &str) -> Option<usize> {
    let of = |name: &str| request.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let from = of("range: bytes=")?.trim_end_matches('-').parse().ok()?;
    of("if-range:").is_none_or(|wanted| wanted == mark).then_some(from)
}

fn answer(mut socket: &TcpStream, step: &Do, request: &str) {
    let (file, mark, after) = match step {
        Do::Head(lines) => {
            write!(socket, "HTTP/1.1 {lines}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            return;
        }
        Do::Serve { file, mark } => (file, mark, usize::MAX),
        Do::Cut { file, mark, after } => (file, mark, *after),
    };
    let all = file.len();
    let head = match wanted(request, mark) {
        Some(from) if from >= all => {
            write!(socket, "HTTP/1.1 416 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            return;
        }
        Some(from) => {
            format!("206 part\r\ncontent-range: bytes {from}-{}/{all}\r\ncontent-length: {}", all - 1, all - from)
        }
        None => format!("200 ok\r\ncontent-length: {all}"),
    };
    let from = wanted(request, mark).unwrap_or(0);
    let etag = if mark.is_empty() { String::new() } else { format!("etag: {mark}\r\n") };
    write!(socket, "HTTP/1.1 {head}\r\n{etag}connection: close\r\n\r\n").unwrap();
    // The other side may have gone, which is one of the cases.
    socket.write_all(&file[from..all.min(from.saturating_add(after))]).ok();
}

/// A model large enough to come in pieces.
fn large(name: &str) -> Vec<u8> {
    let mut file = gguf(name);
    file.resize(300_000, 5);
    file
}

fn digest(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), bytes).unwrap();
    freehold_vault::digest(&folder.path().join("x"), &mut |_| ()).unwrap().sha256
}

fn pull(home: &Path, source: &str, flags: &[&str]) -> Ran {
    run(home, &[&["models", "pull", source], flags].concat())
}

fn kept(home: &Path) -> Vec<String> {
    let Ok(folder) = home.join("models").read_dir() else { return Vec::new() };
    let mut names: Vec<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn file_is_fetched_checked_and_put_in_its_place() {
    let (home, file) = (tempfile::tempdir().unwrap(), large("one"));
    let server = Server::start(vec![Do::Serve { file: file.clone(), mark: "\"a\"" }]);
    let told = pull(home.path(), &server.url("m.gguf?signature=secret"), &["--json", "--sha256", &digest(&file)]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let pulled: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&pulled["sha256"], &pulled["checked"]), (&digest(&file).into(), &true.into()));
    assert_eq!(std::fs::read(home.path().join("models/m.gguf")).unwrap(), file);
    assert_eq!(kept(home.path()), ["m.gguf"]);
    // It is there: nobody is asked again, and another file does not take its place.
    let url = server.url("m.gguf");
    assert_eq!(pull(home.path(), &url, &["--sha256", &digest(&file)]).code, 0);
    let told = pull(home.path(), &url, &[]);
    assert!(told.code == 2 && told.stderr.contains("is there already"), "{}", told.stderr);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn cut_streams_are_gone_on_with() {
    let (home, file) = (tempfile::tempdir().unwrap(), large("one"));
    let cut = |after| Do::Cut { file: file.clone(), mark: "\"a\"", after };
    let server = Server::start(vec![cut(100_000), cut(50_000), Do::Serve { file: file.clone(), mark: "\"a\"" }]);
    let told = pull(home.path(), &server.url("m.gguf"), &["--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_eq!(std::fs::read(home.path().join("models/m.gguf")).unwrap(), file);
    let seen = server.seen();
    assert!(seen[1].contains("range: bytes=100000-") && seen[1].contains("if-range: \"a\""), "{seen:?}");
    assert!(seen[2].contains("range: bytes=150000-"), "{seen:?}");
}

#[test]
fn next_run_goes_on_where_the_last_one_stopped() {
    let (home, file) = (tempfile::tempdir().unwrap(), large("one"));
    let cut = |after| Do::Cut { file: file.clone(), mark: "\"a\"", after };
    let server =
        Server::start(vec![cut(99_000), cut(0), cut(0), cut(0), Do::Serve { file: file.clone(), mark: "\"a\"" }]);
    let told = pull(home.path(), &server.url("m.gguf"), &[]);
    assert_eq!(told.code, 4);
    assert!(
        told.stderr.contains("fetched 99000 bytes and no more") && told.stderr.contains("goes on where it stopped"),
        "{}",
        told.stderr
    );
    assert_eq!(kept(home.path()), ["m.gguf.part", "m.gguf.part.json"]);
    let told = pull(home.path(), &server.url("m.gguf"), &["--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let pulled: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(pulled["resumed_at"], 99_000);
    assert_eq!(std::fs::read(home.path().join("models/m.gguf")).unwrap(), file);
    assert_eq!(kept(home.path()), ["m.gguf"]);
}

#[test]
fn file_that_changed_in_between_is_fetched_from_its_beginning() {
    let (home, old, new) = (tempfile::tempdir().unwrap(), large("old"), large("new"));
    // The second server does not know If-Range and sends the rest of another file, marked as such.
    let server = Server::start(vec![
        Do::Cut { file: old.clone(), mark: "\"a\"", after: 100_000 },
        Do::Serve { file: new.clone(), mark: "\"b\"" },
    ]);
    assert_eq!(pull(home.path(), &server.url("m.gguf"), &[]).code, 0);
    assert_eq!(std::fs::read(home.path().join("models/m.gguf")).unwrap(), new);

    let home = tempfile::tempdir().unwrap();
    let rest = format!("206 part\r\netag: \"b\"\r\ncontent-range: bytes 100000-299999/{}", new.len());
    let server = Server::start(vec![
        Do::Cut { file: old, mark: "\"a\"", after: 100_000 },
        Do::Head(rest),
        Do::Serve { file: new.clone(), mark: "\"b\"" },
    ]);
    let told = pull(home.path(), &server.url("m.gguf"), &[]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_eq!(std::fs::read(home.path().join("models/m.gguf")).unwrap(), new);
    assert!(!server.seen()[2].contains("range:"), "{:?}", server.seen());
}

#[test]
fn without_a_mark_halves_are_never_joined_unless_a_digest_tells() {
    let (home, file) = (tempfile::tempdir().unwrap(), large("one"));
    let script = |file: &[u8]| {
        vec![Do::Cut { file: file.to_vec(), mark: "", after: 100_000 }, Do::Serve { file: file.to_vec(), mark: "" }]
    };
    let server = Server::start(script(&file));
    assert_eq!(pull(home.path(), &server.url("m.gguf"), &[]).code, 0);
    assert!(!server.seen()[1].contains("range:"), "{:?}", server.seen());
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(script(&file));
    assert_eq!(pull(home.path(), &server.url("m.gguf"), &["--sha256", &digest(&file)]).code, 0);
    assert!(server.seen()[1].contains("range: bytes=100000-"), "{:?}", server.seen());
}

#[test]
fn wrong_digest_and_what_is_no_model_are_thrown_away() {
    let (home, file) = (tempfile::tempdir().unwrap(), large("one"));
    let server = Server::start(vec![
        Do::Serve { file: file.clone(), mark: "\"a\"" },
        Do::Serve { file: b"<html>please log in</html>".to_vec(), mark: "\"a\"" },
        Do::Serve { file: file[..200].to_vec(), mark: "\"a\"" },
    ]);
    let told = pull(home.path(), &server.url("m.gguf"), &["--sha256", &"0".repeat(64)]);
    assert!(told.code == 4 && told.stderr.contains(&digest(&file)), "{}", told.stderr);
    for _ in 0..2 {
        let told = pull(home.path(), &server.url("m.gguf"), &[]);
        assert!(told.code == 4 && told.stderr.contains("what came is no model"), "{}", told.stderr);
    }
    assert!(kept(home.path()).is_empty(), "{:?}", kept(home.path()));
}

#[test]
fn names_that_lead_elsewhere_are_refused_before_anyone_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Vec::new());
    let url = server.url("m.gguf");
    for name in ["../m.gguf", "/tmp/m.gguf", "..", ".m.gguf", "a/b.gguf"] {
        let told = pull(home.path(), &url, &["--name", name]);
        assert!(told.code == 2 && told.stderr.contains("no name to keep a file under"), "{name}: {}", told.stderr);
        assert_eq!(pull(home.path(), &url, &["--folder", name]).code, 2, "{name}");
    }
    let pickle = pull(home.path(), &server.url("pytorch_model.bin"), &[]);
    assert!(pickle.code == 2 && pickle.stderr.contains("pickle"), "{}", pickle.stderr);
    let open = pull(home.path(), "http://192.0.2.1/m.gguf", &[]);
    assert!(open.code == 2 && open.stderr.contains("--sha256"), "{}", open.stderr);
    assert_eq!(pull(home.path(), &url, &["--sha256", "abc"]).code, 2);
    assert!(kept(home.path()).is_empty());
}

fn hub(home: &Path, server: &Server, spec: &str) -> Ran {
    let mut command = freehold(home);
    command.args(["models", "pull", spec, "--json"]);
    command.env("FREEHOLD_HUB_URL", format!("http://{}", server.address)).env("FREEHOLD_HUB_TOKEN", "hf_secret");
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn hub_is_asked_for_a_commit_and_its_word_on_the_digest_is_held() {
    let (home, file) = (tempfile::tempdir().unwrap(), large("one"));
    let spec = format!("hub:org/model@{COMMIT}/m.gguf");
    let store = Server::start(vec![Do::Serve { file: file.clone(), mark: "\"s\"" }; 2]);
    let redirect = |digest: &str, commit: &str| {
        let to = store.url("blob/1");
        Do::Head(format!("302 there\r\nlocation: {to}\r\nx-linked-etag: \"{digest}\"\r\nx-repo-commit: {commit}"))
    };
    let server = Server::start(vec![
        redirect(&"1".repeat(64), COMMIT),
        redirect(&digest(&file), COMMIT),
        Do::Head("404 no".to_owned()),
        Do::Head(format!("200 ok\r\nx-repo-commit: {}", "f".repeat(40))),
    ]);
    let told = hub(home.path(), &server, &spec);
    assert!(told.code == 4 && told.stderr.contains("not the one expected"), "{}", told.stderr);
    let told = hub(home.path(), &server, &spec);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let pulled: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&pulled["checked"], &pulled["source"]), (&true.into(), &spec.as_str().into()));
    assert!(server.seen()[0].starts_with(&format!("get /org/model/resolve/{COMMIT}/m.gguf ")), "{:?}", server.seen());
    assert!(server.seen()[0].contains("authorization: bearer hf_secret"));
    assert!(!store.seen()[0].contains("hf_secret"), "the token goes to the hub alone");
    let other = format!("hub:org/model@{COMMIT}/n.gguf");
    let told = hub(home.path(), &server, &other);
    assert!(told.code == 4 && told.stderr.contains("404"), "{}", told.stderr);
    let told = hub(home.path(), &server, &other);
    assert!(told.code == 4 && told.stderr.contains("answers with commit"), "{}", told.stderr);
    assert_eq!(kept(home.path()), ["m.gguf"]);
}

/// A limit of the size of files stands in for a disk that is full.
#[test]
fn full_disk_keeps_what_came() {
    let (home, file) = (tempfile::tempdir().unwrap(), large("one"));
    let server = Server::start(vec![Do::Serve { file: file.clone(), mark: "\"a\"" }; 2]);
    let url = server.url("m.gguf");
    let inner = freehold(home.path());
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]).arg(inner.get_program());
    let output =
        command.args(inner.get_args()).args(["models", "pull", &url]).current_dir(home.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("goes on where it stopped"), "{stderr}");
    let part = std::fs::metadata(home.path().join("models/m.gguf.part")).unwrap().len();
    assert!((1..=128 * 1024).contains(&part), "{part}");
    let told = pull(home.path(), &url, &[]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(server.seen()[1].contains(&format!("range: bytes={part}-")), "{:?}", server.seen());
    assert_eq!(std::fs::read(home.path().join("models/m.gguf")).unwrap(), file);
}
