//! Runs the futures of requests and objects without the runtime's promise queue.
//!
//! Each call from JavaScript runs every task that it has made ready, and returns once all of them
//! wait again. A task waits for input and output, which [`super::io`] starts, or for another task
//! of the same request or object. So a call wakes only tasks of its own I/O context.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::future::LocalBoxFuture;

type TaskId = u64;

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
}

#[derive(Default)]
struct Tasks {
    last: TaskId,
    /// The tasks that wait. A task that is being polled is not here.
    waiting: HashMap<TaskId, Task>,
    ready: VecDeque<TaskId>,
    is_running: bool,
}

struct Task {
    future: LocalBoxFuture<'static, ()>,
    state: Arc<TaskState>,
    waker: Waker,
}

/// What a waker needs, which may outlive its task.
struct TaskState {
    id: TaskId,
    is_ready: AtomicBool,
}

impl Wake for TaskState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            TASKS.with_borrow_mut(|tasks| tasks.ready.push_back(self.id));
        }
    }
}

/// Starts a task. It runs before this call returns, or after the task that spawns it.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    TASKS.with_borrow_mut(|tasks| {
        tasks.last = tasks.last.wrapping_add(1);
        let state = Arc::new(TaskState { id: tasks.last, is_ready: AtomicBool::new(true) });
        let waker = Waker::from(Arc::clone(&state));
        tasks.ready.push_back(state.id);
        tasks.waiting.insert(state.id, Task { future: Box::pin(future), state, waker });
    });
    run();
}

/// Polls the ready tasks until none is left. A task that calls this goes on first.
pub fn run() {
    if TASKS.with_borrow_mut(|tasks| std::mem::replace(&mut tasks.is_running, true)) {
        return;
    }
    while let Some(mut task) = TASKS.with_borrow_mut(Tasks::next) {
        task.state.is_ready.store(false, Ordering::Relaxed);
        if task.future.as_mut().poll(&mut Context::from_waker(&task.waker)).is_pending() {
            TASKS.with_borrow_mut(|tasks| tasks.waiting.insert(task.state.id, task));
        }
    }
    TASKS.with_borrow_mut(|tasks| tasks.is_running = false);
}

impl Tasks {
    /// Takes the next ready task that has not ended.
    fn next(&mut self) -> Option<Task> {
        loop {
            let id = self.ready.pop_front()?;
            if let Some(task) = self.waiting.remove(&id) {
                return Some(task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use futures_channel::oneshot;
    use futures_util::future::join_all;

    use super::*;

    fn is_idle() -> bool {
        TASKS.with_borrow(|tasks| {
            tasks.waiting.is_empty() && tasks.ready.is_empty() && !tasks.is_running
        })
    }

    #[test]
    fn a_task_runs_at_once_until_it_waits_and_then_when_it_is_woken() {
        let steps = Rc::new(RefCell::new(Vec::new()));
        let (sender, receiver) = oneshot::channel();
        let log = Rc::clone(&steps);
        spawn(async move {
            log.borrow_mut().push("begins");
            assert_eq!(receiver.await, Ok(7));
            log.borrow_mut().push("ends");
        });
        assert_eq!(*steps.borrow(), ["begins"]);
        sender.send(7).unwrap();
        assert_eq!(*steps.borrow(), ["begins"], "waking runs nothing");
        run();
        assert_eq!(*steps.borrow(), ["begins", "ends"]);
        assert!(is_idle());
    }

    #[test]
    fn a_task_that_spawns_another_goes_on_first() {
        let steps = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&steps);
        spawn(async move {
            let inner = Rc::clone(&log);
            spawn(async move { inner.borrow_mut().push("second") });
            log.borrow_mut().push("first");
        });
        assert_eq!(*steps.borrow(), ["first", "second"]);
        assert!(is_idle());
    }

    #[test]
    fn a_task_with_many_wakers_is_polled_once_a_run() {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..9).map(|_| oneshot::channel()).unzip();
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        spawn(async move {
            let mut all = Box::pin(join_all(receivers));
            std::future::poll_fn(|context| {
                count.set(count.get() + 1);
                all.as_mut().poll(context)
            })
            .await;
        });
        senders.into_iter().for_each(|sender: oneshot::Sender<()>| sender.send(()).unwrap());
        run();
        assert_eq!(polls.get(), 2);
        assert!(is_idle());
    }

    #[test]
    fn a_waker_may_outlive_its_task() {
        let kept = Rc::new(RefCell::new(None));
        let keep = Rc::clone(&kept);
        spawn(std::future::poll_fn(move |context| {
            *keep.borrow_mut() = Some(context.waker().clone());
            std::task::Poll::Ready(())
        }));
        kept.take().unwrap().wake();
        run();
        assert!(is_idle());
    }
}
