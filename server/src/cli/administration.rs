//! What commands change of who may do what is recorded in the site's audit log, as the same done on a page is: first, so
//! that nothing is done of which there is no record.

use vesta_oauth::User;

use super::{Failure, SiteArgs, door};
use crate::audit::Event;
use crate::maintenance::{Answer, Door, Task};
use crate::site::{Authorization, OAuthEngine, open_authorization};

/// A site's authorization server for a command, and the way to the audit log: a running server's, or the command's own.
pub(super) struct Administration {
    site: Authorization,
    door: Door,
}

impl Administration {
    pub(super) async fn open(args: &SiteArgs) -> Result<Administration, Failure> {
        let (door, context) = door::open(args).await?;
        let site = open_authorization(&context.config, &context.folder, &args.site, context.clock).await?;
        Ok(Administration { site, door })
    }

    pub(super) async fn engine(&self) -> Result<&OAuthEngine, Failure> {
        Ok(self.site.engine().await?)
    }

    /// That the operator does this to a user.
    pub(super) async fn record_user(&self, user: &User) -> Result<(), Failure> {
        let patient = user.patient().map(str::to_owned);
        record(&self.door, Event::UserChanged, "vesta-user", Some(user.id.clone()), patient).await
    }

    /// That the operator does this to a client.
    pub(super) async fn record_client(&self, event: Event, id: &str) -> Result<(), Failure> {
        record(&self.door, event, id, None, None).await
    }

    /// The log is written out before the command ends.
    pub(super) async fn close(self) {
        self.door.close().await;
    }
}

pub(super) async fn record(
    door: &Door,
    event: Event,
    client: &str,
    user: Option<String>,
    patient: Option<String>,
) -> Result<(), Failure> {
    let task = Task::Record { event: event.code().to_owned(), client: client.to_owned(), user, patient };
    match door.ask(0, task).await.map_err(|error| Failure::Other(error.to_string()))? {
        Answer::Recorded => Ok(()),
        other => Err(door::unexpected(other)),
    }
}
