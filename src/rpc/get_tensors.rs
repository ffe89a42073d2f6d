//! GetTensors: frames as arrays, from the cache or from their sources.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use crate::api::convert::{check_names, profile_name};
use crate::api::v1;
use crate::error::Result;
use crate::frames::Answer;
use crate::rpc::Service;
use crate::rpc::frame_service::Answers;
use crate::rpc::tensors::{Call, Picture, Wanted, batch_of, recipe_of, wanted_of};
use crate::tensor::Recipe;

impl Service {
    pub(super) async fn get_tensors(
        &self,
        mut request: v1::GetTensorsRequest,
    ) -> Result<Answers<v1::GetTensorsResponse>> {
        check_names(&request.timeline, &request.profile)?;
        let recipe = Arc::new(recipe_of(&request)?);
        let batch = batch_of(&request)?;
        let wanted = wanted_of(&mut request)?;
        let (frames, pictures) = self.pictures(&request, (wanted, &recipe)).await?;
        let call = Call {
            recipe,
            batch,
            frames,
            workshop: self.workshop.clone(),
            account: self.api.account().clone(),
            metrics: self.api.frames().metrics().clone(),
        };
        call.answers(pictures)
    }

    /// How many frames are asked for, and their pictures.
    async fn pictures(
        &self,
        request: &v1::GetTensorsRequest,
        (wanted, recipe): (Wanted, &Arc<Recipe>),
    ) -> Result<(u64, BoxStream<'static, Answer<Picture>>)> {
        let serving = self
            .api
            .serving(&request.timeline, profile_name(&request.profile))?;
        let footage = match &wanted {
            Wanted::Cached(selection, on_miss) => {
                let selected = serving.select(selection.clone(), *on_miss).await?;
                let count = selected.count();
                let frames = serving.frames_of(selected, *on_miss).await?;
                let pictures = frames.map(|answer| answer.map(Picture::Jpeg));
                return Ok((count, pictures.boxed()));
            }
            Wanted::Source(_) => serving.footage().await?,
            Wanted::Sampled(sampling, window) => serving.sampled(sampling.clone(), *window).await?,
        };
        let selected = match wanted {
            Wanted::Source(selection) => footage.select(&serving, selection).await?,
            Wanted::Sampled(..) | Wanted::Cached(..) => footage.all(),
        };
        let count = selected.count();
        let stills = Arc::new(footage.wanted_for(recipe.clone())).pictures(selected);
        let pictures = stills.map(|answer| answer.map(Picture::Still));
        Ok((count, pictures.boxed()))
    }
}
