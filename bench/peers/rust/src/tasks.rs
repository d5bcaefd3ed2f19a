//! Peer `tokio mpsc` of `task-with-answer`: tasks that each ask by `mpsc`, await the answer by `oneshot` and ask again.
//! One task answers. Each side has a runtime with one thread; otherwise the scheduler would run both on one CPU.
use crate::{fail, on_this_thread};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

type Ask = mpsc::Sender<(usize, oneshot::Sender<usize>)>;

pub fn ask_all(in_flight: usize, calls: usize, cpus: [usize; 2]) {
    let (ask, mut asked): (Ask, _) = mpsc::channel(in_flight);
    std::thread::spawn(move || {
        on_this_thread(cpus[1], async move {
            while let Some((argument, answer)) = asked.recv().await {
                answer.send(argument).ok();
            }
        });
    });
    let took = on_this_thread(cpus[0], tokio::task::LocalSet::new().run_until(async {
        all(&ask, in_flight, calls / 4).await;
        all(&ask, in_flight, calls).await
    }));
    println!("{{\"rate\":{:.0},\"verified\":true}}", calls as f64 / took.as_secs_f64());
}

async fn all(ask: &Ask, in_flight: usize, calls: usize) -> Duration {
    let count = Rc::new(Cell::new(0));
    let start = Instant::now();
    let asking: Vec<_> = (0..in_flight)
        .map(|_| {
            let (ask, count) = (ask.clone(), count.clone());
            tokio::task::spawn_local(async move {
                while count.get() < calls {
                    let argument = count.replace(count.get() + 1);
                    let (answer, answered) = oneshot::channel();
                    ask.send((argument, answer)).await.ok().unwrap();
                    fail((answered.await.unwrap() != argument) as u64);
                }
            })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    start.elapsed()
}
