//! ListTimelines.

use crate::api::convert::page_size;
use crate::api::{Api, pages, v1};
use crate::error::Result;

const TOKEN: &str = "timeline";

impl Api {
    pub async fn list_timelines(
        &self,
        asked: v1::ListTimelinesRequest,
    ) -> Result<v1::ListTimelinesResponse> {
        let from = pages::value(TOKEN, &asked.page_token)?;
        let cache = self.frames.cache();
        let page = cache
            .list_timelines(from, Some(page_size(asked.page_size)))
            .await?;
        let next = page.next.map(|next| pages::token(TOKEN, next));
        Ok(v1::ListTimelinesResponse {
            timelines: page.ids,
            next_page_token: next.unwrap_or_default(),
        })
    }
}
