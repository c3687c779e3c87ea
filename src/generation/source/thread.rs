//! Owns the threads that texts are read on: with stack enough for what is nested, and with memory at hand.

use std::hint::black_box;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::depth::STACK;
use super::error::SourceError;

/// How much memory a thread has at hand, in bytes: address space, until it is used. Trees and values of a thousand modules take
/// half of it.
const AT_HAND: usize = 16 << 20;

/// # Errors
///
/// Fails where the system has no more threads.
pub(super) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, SourceError> {
    let builder = Builder::new().stack_size(STACK);
    let thread = builder.spawn_scoped(scope, || {
        take_memory();
        work()
    });
    thread.map_err(SourceError::Thread)
}

/// Takes memory and gives it back, which leaves it at hand.
///
/// To a thread that is not the first, glibc hands memory out page by page, by a system call each: a tenth of all that reading a
/// thousand modules takes. What it took at once it keeps; the first time it maps the block by itself, and learns by that that
/// blocks of its size come and go (mallopt(3), `M_MMAP_THRESHOLD`). Elsewhere this does nothing.
fn take_memory() {
    for _ in 0..2 {
        let mut block = Vec::<u8>::new();
        // Who has not as much does without.
        let _ = block.try_reserve_exact(AT_HAND);
        black_box(&block);
    }
}
