//! How far the server is: everything that waits for its end watches this.

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Looks whether the store is there; calls are answered.
    Starting,
    Ready,
    /// Running calls may end, new ones are refused.
    Draining,
    /// What still runs is ended.
    Ended,
}

/// The one place where the stage is kept. It only ever moves on.
pub struct Stages(watch::Sender<Stage>);

impl Stages {
    pub fn new() -> Stages {
        Stages(watch::Sender::new(Stage::Starting))
    }

    pub fn now(&self) -> Stage {
        *self.0.borrow()
    }

    pub fn move_on(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let later = to > *stage;
            if later {
                *stage = to;
            }
            later
        });
    }

    /// Ends when the server gets there.
    pub fn reaches(&self, stage: Stage) -> impl Future<Output = ()> + Send + 'static {
        let mut stages = self.0.subscribe();
        async move {
            if stages.wait_for(|now| *now >= stage).await.is_err() {
                // The server is gone without having got there.
                std::future::pending().await
            }
        }
    }
}
