//! Pieces of a stream that are here at the same moment leave together: with one write instead of one each.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

/// No more is gathered once this many bytes or pieces are here.
const BYTES_MAX: usize = 16 << 10;
const PIECES_MAX: usize = 64;
/// How often it is looked in vain for another piece: the server looks twice before it lets anybody else work.
const LOOKS: u8 = 2;

/// Pieces that leave next.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    has_begun: bool,
    looks: u8,
}

impl Gathered {
    /// Takes a piece; returns what leaves at once. The very first piece waits for no other.
    pub(super) fn take(&mut self, piece: Bytes) -> Option<Bytes> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(piece);
        }
        self.looks = 0;
        self.bytes += piece.len();
        self.pieces.push_back(piece);
        let is_full = self.bytes >= BYTES_MAX || self.pieces.len() >= PIECES_MAX;
        if is_full { self.release() } else { None }
    }

    /// Returns what was gathered, to leave now.
    pub(super) fn release(&mut self) -> Option<Bytes> {
        let bytes = std::mem::take(&mut self.bytes);
        (!self.pieces.is_empty()).then(|| join(std::mem::take(&mut self.pieces), bytes))
    }

    /// Returns what was gathered now that nothing more is here, after a turn of the scheduler: whoever reads the connection
    /// hands over one piece at a time, and may have others that came with it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if !self.pieces.is_empty() && self.looks < LOOKS {
            self.looks += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.release().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Joins pieces that have so many bytes together; a single one is not copied.
pub(crate) fn join(mut pieces: VecDeque<Bytes>, bytes: usize) -> Bytes {
    if pieces.len() <= 1 {
        return pieces.pop_front().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(bytes);
    pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn piece(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn first_piece_leaves_at_once_and_others_together_once_no_more_comes() {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        let mut gathered = Gathered::default();
        assert_eq!(gathered.poll(&mut cx), Poll::Pending);
        assert_eq!(gathered.take(piece("one ")), Some(piece("one ")));
        assert_eq!(gathered.poll(&mut cx), Poll::Pending);
        assert_eq!(bell.0.load(Ordering::Relaxed), 0, "nothing waits that could leave");
        for (woken, next) in [(2, "two "), (4, "three "), (6, "four")] {
            assert_eq!(gathered.take(piece(next)), None);
            assert_eq!((gathered.poll(&mut cx), gathered.poll(&mut cx)), (Poll::Pending, Poll::Pending));
            assert_eq!(bell.0.load(Ordering::Relaxed), woken, "it comes back by itself");
        }
        assert_eq!(gathered.poll(&mut cx), Poll::Ready(piece("two three four")));
        assert_eq!(gathered.poll(&mut cx), Poll::Pending);
        assert_eq!((gathered.release(), bell.0.load(Ordering::Relaxed)), (None, 6));
    }

    #[test]
    fn no_more_is_gathered_than_there_is_room_for() {
        let large = Bytes::from(vec![b'x'; BYTES_MAX / 2]);
        let mut gathered = Gathered::default();
        gathered.take(large.clone());
        assert_eq!(gathered.take(large.clone()), None);
        assert_eq!(gathered.take(large).map(|bytes| bytes.len()), Some(BYTES_MAX));
        for _ in 1..PIECES_MAX {
            assert_eq!(gathered.take(piece("x")), None);
        }
        assert_eq!(gathered.take(piece("x")).map(|bytes| bytes.len()), Some(PIECES_MAX));
        assert_eq!(gathered.release(), None);
    }
}
