//! The way to a site's data: its store opened in this process, or the server that has it.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Answer, Task, perform};
use crate::fhir::Services;
use crate::store::{LocalClient, StoreError};

/// Tasks under way, each on its own connection where a server has the data: enough that one is made ready while another
/// is written.
const LANES: usize = 8;

pub enum Door {
    /// This process has the data.
    Own(Arc<Services>),
    /// A running server has them.
    Beside(Vec<Mutex<LocalClient>>),
}

impl Door {
    /// The door of the server that runs on a site's folder; none where there is no such server.
    pub async fn beside(folder: &Path) -> Option<Door> {
        let mut clients = vec![Mutex::new(LocalClient::connect(folder).await?)];
        while clients.len() < LANES {
            match LocalClient::connect(folder).await {
                Some(client) => clients.push(Mutex::new(client)),
                None => break,
            }
        }
        Some(Door::Beside(clients))
    }

    /// How many tasks can be under way.
    pub fn width(&self) -> usize {
        match self {
            Door::Own(_) => LANES,
            Door::Beside(clients) => clients.len(),
        }
    }

    /// Does the task; `lane` is below [`Door::width`], and one task at a time is under way in a lane.
    pub async fn ask(&self, lane: usize, task: Task) -> Result<Answer, StoreError> {
        match self {
            Door::Own(services) => Ok(perform(&services.now(), task).await),
            Door::Beside(clients) => {
                let words = |error: serde_json::Error| StoreError::Configuration(error.to_string());
                let request = serde_json::to_vec(&task).map_err(words)?;
                drop(task);
                let answer = clients[lane % clients.len()].lock().await.request(&request).await?;
                serde_json::from_slice(&answer).map_err(words)
            }
        }
    }

    /// Lets go of the data.
    pub async fn close(self) {
        if let Door::Own(services) = self {
            services.now().store.close().await;
        }
    }
}
