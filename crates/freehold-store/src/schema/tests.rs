//! Versions found, refused and migrated, with lists of migrations made for it.

use super::*;

const FIRST: Migration = Migration { to: 1, sql: "CREATE TABLE kept (text TEXT); INSERT INTO kept VALUES ('first')" };
const SECOND: Migration = Migration { to: 2, sql: "ALTER TABLE kept ADD COLUMN second TEXT DEFAULT 'second'" };
const BROKEN: Migration = Migration { to: 3, sql: "CREATE TABLE half (x); SELECT no_such_function()" };

fn open(path: &Path, migrations: &[Migration]) -> Result<Connection, Error> {
    open_for(path, migrations, Sharing::All)
}

fn found(path: &Path) -> u32 {
    version(&Connection::open(path).unwrap(), path).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains("backup")).collect();
    names.sort();
    names
}

#[test]
fn older_file_is_backed_up_then_migrated() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("freehold.db");
    drop(open(&path, &[FIRST]).unwrap());
    assert_eq!(files(home.path()), Vec::<String>::new());

    let migrated = open(&path, &[FIRST, SECOND]).unwrap();
    let second: String = migrated.query_row("SELECT second FROM kept", [], |row| row.get(0)).unwrap();
    assert_eq!((second.as_str(), found(&path)), ("second", 2));

    assert_eq!(files(home.path()), ["freehold.db.backup-v1"]);
    let backup = home.path().join("freehold.db.backup-v1");
    assert_eq!(found(&backup), 1);
    let kept = Connection::open(&backup).unwrap().query_row("SELECT * FROM kept", [], |row| row.get::<_, String>(0));
    assert_eq!(kept.unwrap(), "first");
}

#[test]
fn backup_holds_what_is_only_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("freehold.db");
    // The connection stays open, so that its row is in the write-ahead log and not in the file.
    let writer = open(&path, &[FIRST]).unwrap();
    writer.execute("INSERT INTO kept VALUES ('logged')", []).unwrap();
    drop(open(&path, &[FIRST, SECOND]).unwrap());
    let backup = Connection::open(home.path().join("freehold.db.backup-v1")).unwrap();
    let rows: i64 = backup.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn failed_migration_leaves_the_file_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("freehold.db");
    drop(open(&path, &[FIRST]).unwrap());
    let error = open(&path, &[FIRST, SECOND, BROKEN]).unwrap_err();
    assert!(matches!(error, Error::Migrate { from: 1, to: 3, .. }), "{error:?}");

    let after = open(&path, &[FIRST]).unwrap();
    let columns: i64 = after.query_row("SELECT count(*) FROM pragma_table_info('kept')", [], |row| row.get(0)).unwrap();
    let half: i64 =
        after.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0)).unwrap();
    assert_eq!((columns, half, found(&path)), (1, 0, 1));
}

#[test]
fn earlier_backup_is_not_written_over() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("freehold.db");
    drop(open(&path, &[FIRST]).unwrap());
    std::fs::write(home.path().join("freehold.db.backup-v1"), "precious").unwrap();
    drop(open(&path, &[FIRST, SECOND]).unwrap());
    assert_eq!(files(home.path()), ["freehold.db.backup-v1", "freehold.db.backup-v1.2"]);
    assert_eq!(std::fs::read_to_string(home.path().join("freehold.db.backup-v1")).unwrap(), "precious");
}

#[test]
fn migrations_are_in_order_and_end_at_the_supported_version() {
    let numbers: Vec<_> = MIGRATIONS.iter().map(|migration| migration.to).collect();
    let expected: Vec<_> = (1..=u32::try_from(MIGRATIONS.len()).unwrap()).collect();
    assert_eq!(numbers, expected);
}

/// A store of version 6, from before labels and certificates, keeps its assessments and takes certificates.
#[test]
fn assessments_from_before_certificates_stay_and_have_none() {
    let home = tempfile::tempdir().unwrap();
    let old = open(&home.path().join("freehold.db"), &MIGRATIONS[..6]).unwrap();
    old.execute_batch(
        "INSERT INTO assessment (id, at_ms, step, candidate, incumbent, plan, result, finished_ms) \
         VALUES ('old', 1, 'triage', 'desk', 'vendor/m', '{}', '{\"verdict\":\"adequate\"}', 2)",
    )
    .unwrap();
    drop(old);
    let store = crate::Store::open(home.path()).unwrap();
    assert_eq!(files(home.path()), ["freehold.db.backup-v6"]);
    assert_eq!(found(&home.path().join("freehold.db.backup-v6")), 6);
    assert_eq!(store.certificate("old").unwrap(), None);
    let looks = store.looks("triage").unwrap();
    assert_eq!((looks[0].head.id.as_str(), looks[0].verdict.as_deref()), ("old", Some("adequate")));
    let kept = crate::Certified { sha256: "00".to_owned(), expires_ms: 9, text: "{}".to_owned() };
    store.certify_assessment("old", 3, &serde_json::json!({}), &kept).unwrap();
    assert_eq!(store.certificate("old").unwrap(), Some(kept));
}
