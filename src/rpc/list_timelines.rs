//! ListTimelines.

use crate::error::Result;
use crate::rpc::convert::page_size;
use crate::rpc::{Service, tokens, v1};

const TOKEN: &str = "timeline";

impl Service {
    pub(super) async fn list_timelines(
        &self,
        asked: v1::ListTimelinesRequest,
    ) -> Result<v1::ListTimelinesResponse> {
        let from = tokens::value(TOKEN, &asked.page_token)?;
        let cache = self.frames.cache();
        let page = cache
            .list_timelines(from, Some(page_size(asked.page_size)))
            .await?;
        let next = page.next.map(|next| tokens::token(TOKEN, next));
        Ok(v1::ListTimelinesResponse {
            timelines: page.ids,
            next_page_token: next.unwrap_or_default(),
        })
    }
}
