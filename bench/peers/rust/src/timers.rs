//! Peer `tokio` for timers: `sleep` futures in a runtime with one thread.
use crate::fail;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until, Sleep};

/// The same numbers as in bench/suites/timers/delays.ts.
struct Random(u64);
impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        (self.0 as f64 / 2_147_483_647.0 * bound as f64) as u64
    }
}

const LEAST_MS: u64 = 60_000;
const SPAN_MS: u64 = 60_000;

struct Nobody;
impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// A timer is made when its future is first polled. Here that is outside of a task, so that no budget interrupts it.
fn make(delay: Duration) -> Pin<Box<Sleep>> {
    let mut timer = Box::pin(sleep(delay));
    let waker = Arc::new(Nobody).into();
    let is_due = timer.as_mut().poll(&mut Context::from_waker(&waker)) != Poll::Pending;
    fail(is_due as u64);
    timer
}

/// Timers a second while `live` others are due in one to two minutes. They are cancelled in the order of creation.
pub fn cost(live: usize, batch: usize, warmup_rounds: usize, rounds: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut random = Random(1);
    let delay = |random: &mut Random, least| Duration::from_millis(least + random.below(SPAN_MS));
    let base: Vec<_> = (0..live).map(|_| make(delay(&mut random, LEAST_MS))).collect();
    let mut random = Random(2);
    let delays: Vec<_> = (0..batch).map(|_| delay(&mut random, 2 * LEAST_MS)).collect();
    let (mut creating, mut cancelling) = (Duration::ZERO, Duration::ZERO);
    let mut timers = Vec::with_capacity(batch);
    let waker: std::task::Waker = Arc::new(Nobody).into();
    let mut context = Context::from_waker(&waker);
    for round in 0..warmup_rounds + rounds {
        let start = Instant::now();
        let mut due = 0;
        for delay in &delays {
            let mut timer = Box::pin(sleep(*delay));
            due += (timer.as_mut().poll(&mut context) != Poll::Pending) as u64;
            timers.push(timer);
        }
        let middle = Instant::now();
        timers.clear();
        let end = Instant::now();
        fail(due);
        if round >= warmup_rounds {
            creating += middle - start;
            cancelling += end - middle;
        }
    }
    fail(base.iter().filter(|timer| timer.is_elapsed()).count() as u64);
    let all = (rounds * batch) as f64;
    println!(
        "{{\"createRate\":{:.0},\"cancelRate\":{:.0},\"verified\":true}}",
        all / creating.as_secs_f64(), all / cancelling.as_secs_f64()
    );
}

/// Tasks that sleep until times within one millisecond, in another order than they were made: the time from the first
/// deadline until all have run.
pub fn expire(count: usize, ahead: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let early = Arc::new(AtomicU64::new(0));
        let times: Arc<Vec<AtomicU32>> = Arc::new((0..count).map(|_| AtomicU32::new(0)).collect());
        let mut random = Random(7);
        let first = tokio::time::Instant::now() + ahead;
        let mut tasks = Vec::with_capacity(count);
        let begun = Arc::new(AtomicU64::new(0));
        for i in 0..count {
            let due = first + Duration::from_nanos(random.below(1_000_000));
            let (early, times, begun) = (early.clone(), times.clone(), begun.clone());
            tasks.push(tokio::spawn(async move {
                let timer = sleep_until(due);
                begun.fetch_add(1, Relaxed);
                timer.await;
                early.fetch_add((tokio::time::Instant::now() < due) as u64, Relaxed);
                times[i].fetch_add(1, Relaxed);
            }));
        }
        while begun.load(Relaxed) < count as u64 {
            tokio::task::yield_now().await;
        }
        if tokio::time::Instant::now() > first {
            eprintln!("the timers were not made before the first was due");
            std::process::exit(1);
        }
        for task in tasks {
            task.await.unwrap();
        }
        let elapsed = first.elapsed();
        fail(early.load(Relaxed) + times.iter().filter(|times| times.load(Relaxed) != 1).count() as u64);
        println!("{{\"totalMs\":{:.3},\"ran\":{count},\"verified\":true}}", elapsed.as_secs_f64() * 1000.0);
    });
}
