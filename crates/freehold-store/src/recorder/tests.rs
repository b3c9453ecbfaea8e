//! The queue before the log, without the threads that would empty it.

use tokio::sync::oneshot;

use super::shared::FULL_REASON;
use super::*;
use crate::sample;

fn shared(home: &Path, config: RecorderConfig) -> Shared {
    let options = Options {
        bytes_max: config.log_bytes_max,
        segment_bytes: config.segment_bytes,
        making: Making::Reserved,
        seal: None,
    };
    let folder = Folder::take(home).unwrap().unwrap();
    Shared::new(Log::open(folder, options, 0).unwrap(), config, crate::gap::Pending::default())
}

fn item(at_ms: i64) -> (Item, oneshot::Receiver<()>) {
    let call = Call { request: vec![b'x'; 1_000], ..sample::call(at_ms.to_string(), at_ms) };
    let (receipt, outcome) = oneshot::channel();
    let mut frame = Vec::new();
    assert!(Options { bytes_max: 0, segment_bytes: 0, making: Making::Reserved, seal: None }.write(&call, &mut frame));
    (Item { frame, at_ms, id: None, receipt }, outcome)
}

#[test]
fn full_queue_drops_and_counts_and_the_rest_is_written() {
    for config in [
        RecorderConfig { queue_calls_max: 3, ..RecorderConfig::default() },
        RecorderConfig { queue_bytes_max: 3_500, ..RecorderConfig::default() },
    ] {
        let home = tempfile::tempdir().unwrap();
        let shared = shared(home.path(), config);
        let mut outcomes = Vec::new();
        for at_ms in 0..5 {
            let (item, outcome) = item(at_ms);
            shared.queue(item);
            outcomes.push(outcome);
        }
        let stats = shared.stats();
        assert_eq!((stats.queued, stats.dropped, stats.dropped_because[FULL_REASON]), (3, 2, 2));
        assert_eq!(shared.pending().calls(), 2);

        shared.close();
        writer::write(&shared);
        let kept: Vec<_> = outcomes.into_iter().map(|outcome| outcome.blocking_recv().is_ok()).collect();
        assert_eq!(kept, [true, true, true, false, false]);
        let stats = shared.stats();
        assert_eq!((stats.queued, stats.recorded, stats.index_lag_calls), (0, 3, 3));
        let (late, outcome) = item(9);
        shared.queue(late);
        assert!(outcome.blocking_recv().is_err(), "a closed queue takes nothing");
    }
}

#[test]
fn strict_receipts_wait_for_the_sync() {
    let home = tempfile::tempdir().unwrap();
    let config = RecorderConfig { acknowledge: Acknowledge::Disk, ..RecorderConfig::default() };
    let shared = Arc::new(shared(home.path(), config));
    let (item, mut outcome) = item(1);
    shared.queue(item);
    shared.close();
    writer::write(&shared);
    assert_eq!(shared.log.written(), shared.log.session());
    assert!(outcome.try_recv().is_err(), "with the kernel is not on the disk");
    assert_eq!(shared.stats().recorded, 0);
    writer::sync(&shared, std::thread::spawn(|| {}));
    assert!(outcome.try_recv().is_ok());
    assert_eq!(shared.stats().recorded, 1);
}
