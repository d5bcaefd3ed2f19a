//! Patterns `round-trip` and `wake`: a question over one channel, its complement back over another.
use super::*;

/// For the pattern `wake`: how long a side waits before it asks, so that the other one has gone to sleep.
const ASLEEP: Duration = Duration::from_micros(200);

/// Counts and times rounds of a question and its complement, from one answer to the next; in the pattern `wake`, from
/// the question to the answer.
struct Trip {
    is_wake: bool,
    born: Instant,
    warmup: Duration,
    end: Duration,
    last: Duration,
    round: u32,
    wrong: u64,
    ns: Vec<u64>,
}
impl Trip {
    fn new(plan: &Plan) -> Self {
        Trip {
            is_wake: plan.pattern == "wake", born: Instant::now(), warmup: plan.warmup,
            end: plan.warmup + plan.measure, last: Duration::ZERO, round: 0, wrong: 0, ns: Vec::with_capacity(1 << 24),
        }
    }
    /// The next question; none if the time is over.
    fn next(&mut self) -> Option<u32> {
        if self.last >= self.end {
            return None;
        }
        if self.is_wake {
            std::thread::sleep(ASLEEP);
            self.last = self.born.elapsed();
        }
        self.round += 1;
        Some(self.round)
    }
    fn hear(&mut self, answer: u32) {
        self.wrong += (answer != !self.round) as u64;
        let at = self.born.elapsed();
        if self.last >= self.warmup {
            self.ns.push((at - self.last).as_nanos() as u64);
        }
        self.last = at;
    }
    fn end(mut self) {
        fail(self.wrong);
        self.ns.sort_unstable();
        let (p50, p99) = (self.ns[self.ns.len() / 2], self.ns[self.ns.len() * 99 / 100]);
        println!("{{\"p50\":{p50},\"p99\":{p99},\"verified\":true}}");
    }
}

fn trip(plan: &Plan, mut ask: impl FnMut(u32) -> u32) {
    let mut trip = Trip::new(plan);
    while let Some(word) = trip.next() {
        trip.hear(ask(word));
    }
    trip.end();
}

/// A task on each side, each in a runtime with one thread; otherwise the scheduler would run both on one CPU.
pub fn tokio_trip(plan: &Plan) {
    let (ask, mut asked) = tokio::sync::mpsc::channel::<[u32; 2]>(plan.capacity);
    let (answer, mut answered) = tokio::sync::mpsc::channel::<[u32; 2]>(plan.capacity);
    let cpu = plan.cpus[1];
    std::thread::spawn(move || {
        on_this_thread(cpu, async move {
            while let Some([word, _]) = asked.recv().await {
                answer.send([!word, 0]).await.ok();
            }
        });
    });
    let mut trip = Trip::new(plan);
    on_this_thread(plan.cpus[0], async move {
        while let Some(word) = trip.next() {
            ask.send([word, 0]).await.ok().unwrap();
            trip.hear(answered.recv().await.unwrap()[0]);
        }
        trip.end();
    });
}

pub fn crossbeam_trip(plan: &Plan) {
    let (ask, asked) = crossbeam_channel::bounded::<[u32; 2]>(plan.capacity);
    let (answer, answered) = crossbeam_channel::bounded::<[u32; 2]>(plan.capacity);
    let cpu = plan.cpus[1];
    std::thread::spawn(move || {
        pin(cpu);
        while let Ok([word, _]) = asked.recv() {
            answer.send([!word, 0]).ok();
        }
    });
    pin(plan.cpus[0]);
    trip(plan, |word| {
        ask.send([word, 0]).unwrap();
        answered.recv().unwrap()[0]
    });
}

pub fn std_trip(plan: &Plan) {
    let (ask, asked) = mpsc::sync_channel::<[u32; 2]>(plan.capacity);
    let (answer, answered) = mpsc::sync_channel::<[u32; 2]>(plan.capacity);
    let cpu = plan.cpus[1];
    std::thread::spawn(move || {
        pin(cpu);
        while let Ok([word, _]) = asked.recv() {
            answer.send([!word, 0]).ok();
        }
    });
    pin(plan.cpus[0]);
    trip(plan, |word| {
        ask.send([word, 0]).unwrap();
        answered.recv().unwrap()[0]
    });
}
