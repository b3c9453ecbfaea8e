//! The threads that write what callers could not write themselves, make files for the log, and bring it to the disk.

use std::sync::Arc;
use std::time::Instant;

use crate::log::Refusal;
use crate::recorder::Acknowledge;
use crate::recorder::shared::{CLOSED_REASON, FULL_REASON, Item, Shared};

/// Appends what is queued until the queue is closed and empty; then the log takes no more.
pub(super) fn write(shared: &Shared) {
    loop {
        let batch = shared.take();
        if batch.is_empty() {
            let (is_empty, is_closed) = shared.queue_state();
            match (is_empty, is_closed) {
                (false, _) => {}
                (true, true) => break,
                (true, false) => shared.writer.sleep_unless(|| shared.queue_state() != (true, false)),
            }
        } else {
            append(shared, batch);
        }
    }
    shared.log.close();
}

fn append(shared: &Shared, mut batch: Vec<Item>) {
    let mut frames: Vec<_> = batch.iter_mut().map(|item| std::mem::take(&mut item.frame)).collect();
    let bytes = frames.iter().map(Vec::len).sum();
    let outcomes = shared.log.append(&mut frames);
    for (item, outcome) in batch.iter_mut().zip(&outcomes) {
        shared.keep_lately(item.id.take(), outcome);
    }
    shared.release(batch.len(), bytes);
    for (Item { at_ms, receipt, .. }, outcome) in batch.into_iter().zip(outcomes) {
        match outcome {
            Ok(_) => settle(shared, at_ms, Ok(Some(receipt))),
            Err(refusal) => {
                settle(shared, at_ms, Err(refusal));
                // Whoever learns that the call was dropped finds it counted.
                drop(receipt);
            }
        }
    }
}

/// Answers a call for which an append was tried.
pub(super) fn settle(shared: &Shared, at_ms: i64, outcome: Result<Option<tokio::sync::oneshot::Sender<()>>, Refusal>) {
    match outcome {
        Ok(receipt) => {
            shared.appended(receipt);
            if shared.has_write_error() {
                shared.set_write_error(None);
            }
        }
        Err(Refusal::Closed) => shared.drop_call(at_ms, CLOSED_REASON),
        Err(Refusal::Busy) => shared.drop_call(at_ms, FULL_REASON),
        Err(Refusal::Failed(reason)) => {
            shared.set_write_error(Some(&reason));
            shared.drop_call(at_ms, &reason);
        }
    }
}

/// Makes files for the log before they are needed, until the recorder is closed.
pub(super) fn make(shared: &Shared) {
    if let Err(error) = shared.log.folder().sync_state() {
        tracing::warn!(%error, "a power cut may go unnoticed: the word that the log is in use is not on the disk");
    }
    while !shared.is_closing() {
        if let Err(error) = shared.log.prepare() {
            // Whoever needs a file and gets none counts what is lost by it.
            tracing::debug!(error, "no file could be made for the log ahead of time");
        }
        shared.maker.sleep_unless(|| shared.is_closing());
    }
}

/// Brings the log to the disk: within the window, or at once where callers wait for it; until `writer` has ended.
pub(super) fn sync(shared: &Arc<Shared>, writer: std::thread::JoinHandle<()>) {
    let is_strict = shared.config.acknowledge == Acknowledge::Disk;
    let mut synced = shared.log.session() - 1;
    let mut writer = Some(writer);
    loop {
        let has_work = |synced| shared.log.written() != synced || shared.is_awaited();
        if !has_work(synced) {
            match writer.take() {
                Some(ended) if shared.is_closing() => {
                    if ended.join().is_err() {
                        tracing::error!("the recorder's writing thread had panicked");
                    }
                }
                None => break,
                Some(running) => {
                    writer = Some(running);
                    shared.syncer.sleep_unless(|| has_work(synced) || shared.is_closing());
                }
            }
            continue;
        }
        if !is_strict && !shared.is_closing() {
            shared.syncer.wait(shared.config.sync_window);
        }
        let (upto, waiting) = (shared.log.written(), shared.take_waiting());
        let begun = Instant::now();
        match shared.log.sync() {
            Ok(()) => {
                shared.synced(begun.elapsed());
                waiting.into_iter().for_each(|receipt| shared.answer(Some(receipt)));
            }
            Err(error) => {
                shared.sync_failed();
                tracing::error!(%error, "the log could not be brought to the disk; it goes on in another file");
            }
        }
        synced = upto;
    }
}
