//! Peers `crossbeam`, `std sync_channel` and `tokio mpsc`: bounded channels. The first two connect two pinned threads,
//! which wait as the channel itself does. tokio's connects two tasks of a runtime with two pinned workers. The servers
//! and timers of `tokio` are in files of their own. See ../README.md for the arguments.
mod servers;
mod tasks;
mod timers;
mod trips;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SALT: u32 = 0x5bd1e995;
static IS_ENOUGH: AtomicBool = AtomicBool::new(false);

extern "C" {
    fn sched_setaffinity(pid: i32, bytes: usize, mask: *const u64) -> i32;
}
pub fn pin(cpu: usize) {
    let mut mask = [0u64; 16];
    mask[cpu / 64] = 1 << (cpu % 64);
    if unsafe { sched_setaffinity(0, 128, mask.as_ptr()) } != 0 {
        eprintln!("CPU {cpu} was not granted");
        std::process::exit(2);
    }
}

struct Plan {
    queue: String,
    pattern: String,
    capacity: usize,
    producers: usize,
    cpus: [usize; 2],
    warmup: Duration,
    measure: Duration,
}

/// A message of 8 or of 64 bytes.
trait Record: Send + 'static {
    fn new(sequence: u32, part: u32) -> Self;
    fn check(&self, expected: &mut [u32]) -> bool;
}
impl Record for [u32; 2] {
    fn new(sequence: u32, part: u32) -> Self {
        [sequence, sequence ^ SALT ^ part]
    }
    fn check(&self, expected: &mut [u32]) -> bool {
        let part = (self[0] ^ self[1] ^ SALT) as usize;
        let is_right = part < expected.len() && self[0] == expected[part];
        if is_right {
            expected[part] = expected[part].wrapping_add(1);
        }
        is_right
    }
}
impl Record for [u32; 16] {
    fn new(sequence: u32, _: u32) -> Self {
        std::array::from_fn(|k| sequence.wrapping_add(k as u32))
    }
    fn check(&self, expected: &mut [u32]) -> bool {
        let due = expected[0];
        expected[0] = due.wrapping_add(1);
        self.iter().enumerate().fold(0, |all, (k, word)| all | (word ^ due.wrapping_add(k as u32))) == 0
    }
}

/// The clock of the consumer, and its check of each message.
struct Judge {
    expected: Vec<u32>,
    born: Instant,
    start: Option<Instant>,
    before: u64,
    received: u64,
    rate: f64,
    wrong: u64,
    warmup: Duration,
    measure: Duration,
}
impl Judge {
    fn new(plan: &Plan) -> Self {
        Judge {
            expected: vec![0; plan.producers], born: Instant::now(), start: None, before: 0, received: 0, rate: 0.0,
            wrong: 0, warmup: plan.warmup, measure: plan.measure,
        }
    }
    #[inline(always)]
    fn take<R: Record>(&mut self, record: R) {
        self.wrong += !record.check(&mut self.expected) as u64;
        self.received += 1;
        if self.received & 4095 == 0 {
            self.look();
        }
    }
    #[cold]
    fn look(&mut self) {
        let now = Instant::now();
        match self.start {
            None if now - self.born >= self.warmup => {
                self.start = Some(now);
                self.before = self.received;
            }
            Some(start) if self.rate == 0.0 && now - start >= self.measure => {
                self.rate = (self.received - self.before) as f64 / (now - start).as_secs_f64();
                IS_ENOUGH.store(true, Relaxed);
            }
            _ => (),
        }
    }
    fn end(self) {
        fail(self.wrong);
        println!("{{\"rate\":{:.0},\"verified\":true}}", self.rate);
    }
}
pub fn fail(wrong: u64) {
    if wrong != 0 {
        eprintln!("{wrong} messages were lost, repeated or torn");
        std::process::exit(1);
    }
}

fn produce<R: Record>(part: u32, mut send: impl FnMut(R)) {
    let mut sequence = 0u32;
    while !IS_ENOUGH.load(Relaxed) {
        for _ in 0..4096 {
            send(R::new(sequence, part));
            sequence = sequence.wrapping_add(1);
        }
    }
}

// Starts threads that send by copies of `to`. This thread receives until all of them have ended.
fn race<R: Record, T: Clone + Send + 'static>(
    plan: &Plan,
    to: T,
    send: fn(&T, R),
    mut receive: impl FnMut() -> Option<R>,
) {
    for part in 0..plan.producers as u32 {
        let (to, cpu) = (to.clone(), plan.cpus[0]);
        std::thread::spawn(move || {
            pin(cpu);
            produce(part, |record| send(&to, record));
        });
    }
    drop(to);
    pin(plan.cpus[1]);
    let mut judge = Judge::new(plan);
    while let Some(record) = receive() {
        judge.take(record);
    }
    judge.end();
}

fn crossbeam<R: Record>(plan: &Plan) {
    let (to, from) = crossbeam_channel::bounded::<R>(plan.capacity);
    race(plan, to, |to, record| to.send(record).unwrap(), || from.recv().ok());
}

fn sync_channel<R: Record>(plan: &Plan) {
    let (to, from) = mpsc::sync_channel::<R>(plan.capacity);
    race(plan, to, |to, record| to.send(record).unwrap(), || from.recv().ok());
}

fn runtime(cpus: [usize; 2]) -> tokio::runtime::Runtime {
    let next = Arc::new(AtomicUsize::new(0));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(move || pin(cpus[next.fetch_add(1, Relaxed) % 2]))
        .build()
        .unwrap()
}

fn tokio_mpsc<R: Record>(plan: &Plan) {
    let (to, mut from) = tokio::sync::mpsc::channel::<R>(plan.capacity);
    let runtime = runtime(plan.cpus);
    for part in 0..plan.producers as u32 {
        let to = to.clone();
        runtime.spawn(async move {
            let mut sequence = 0u32;
            while !IS_ENOUGH.load(Relaxed) {
                for _ in 0..4096 {
                    to.send(R::new(sequence, part)).await.ok().unwrap();
                    sequence = sequence.wrapping_add(1);
                }
            }
        });
    }
    drop(to);
    let mut judge = Judge::new(plan);
    let consuming = runtime.spawn(async move {
        while let Some(record) = from.recv().await {
            judge.take(record);
        }
        judge.end();
    });
    runtime.block_on(consuming).unwrap();
}

/// A channel for each of two readers in one thread. The producer sends every message into both. A reader takes what
/// there is, up to 64 messages, and the thread blocks if neither has anything.
fn broadcast(plan: &Plan) {
    let (to, from) = crossbeam_channel::bounded::<[u32; 2]>(plan.capacity);
    let (to_other, from_other) = crossbeam_channel::bounded::<[u32; 2]>(plan.capacity);
    let cpu = plan.cpus[0];
    std::thread::spawn(move || {
        pin(cpu);
        produce(0, |record: [u32; 2]| {
            to.send(record).unwrap();
            to_other.send(record).unwrap();
        });
    });
    pin(plan.cpus[1]);
    let (mut judge, mut other) = (Judge::new(plan), Judge::new(plan));
    other.measure = Duration::MAX;
    loop {
        let before = judge.received + other.received;
        from.try_iter().take(64).for_each(|record| judge.take(record));
        from_other.try_iter().take(64).for_each(|record| other.take(record));
        if judge.received + other.received != before {
            continue;
        }
        match from.recv() {
            Ok(record) => judge.take(record),
            Err(_) => break,
        }
    }
    from_other.iter().for_each(|record| other.take(record));
    fail(other.wrong + judge.received.abs_diff(other.received));
    judge.end();
}

/// Runs a future in a runtime with only this thread, on the given CPU.
pub fn on_this_thread<T>(cpu: usize, this: impl std::future::Future<Output = T>) -> T {
    pin(cpu);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(this)
}

fn run<R: Record>(plan: &Plan) {
    match plan.queue.as_str() {
        "crossbeam" => crossbeam::<R>(plan),
        "std sync_channel" => sync_channel::<R>(plan),
        _ => tokio_mpsc::<R>(plan),
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize| args[at].parse::<usize>().expect("a number");
    match args.get(1).map(String::as_str) {
        Some("echo") => return servers::serve(false),
        Some("reply") => return servers::serve(true),
        Some("cost") => return timers::cost(number(2), number(3), number(4), number(5)),
        Some("expire") => return timers::expire(number(2), Duration::from_millis(number(3) as u64)),
        Some("task") => return tasks::ask_all(number(2), number(3), [number(4), number(5)]),
        _ => (),
    }
    if args.len() != 11 {
        eprintln!(
            "usage: queue each|broadcast|round-trip|wake bytes batch capacity producers cpuA cpuB warmupMs measureMs; \
             or echo|reply; or cost live batch warmupRounds rounds; or expire count aheadMs; \
             or task inFlight calls cpuA cpuB"
        );
        std::process::exit(2);
    }
    let ms = |at: usize| Duration::from_millis(number(at) as u64);
    let plan = Plan {
        queue: args[1].clone(), pattern: args[2].clone(), capacity: number(5), producers: number(6),
        cpus: [number(7), number(8)], warmup: ms(9), measure: ms(10),
    };
    match (plan.pattern.as_str(), plan.queue.as_str(), number(3)) {
        ("broadcast", _, _) => broadcast(&plan),
        ("round-trip" | "wake", "crossbeam", _) => trips::crossbeam_trip(&plan),
        ("round-trip" | "wake", "tokio mpsc", _) => trips::tokio_trip(&plan),
        ("round-trip" | "wake", _, _) => trips::std_trip(&plan),
        (_, _, 64) => run::<[u32; 16]>(&plan),
        _ => run::<[u32; 2]>(&plan),
    }
}
