from __future__ import annotations

from typing import Any

from functions.task_api.letter_bodies import (
    DiscardBody,
    LetterQuery,
    ReplayBody,
    ReplayFoundBody,
)
from opscore.bootstrap import services
from opscore.http import letter_views, views
from opscore.http.app import Resolver
from opscore.http.requests import body, caller, optional_body, path_id, query
from opscore.http.responses import answer


def add_letter_routes(app: Resolver) -> None:
    """Dead letters: looked at, replayed, discarded."""

    @app.get("/v1/opscore/dead-letters")
    def dead_letters() -> Any:
        page = query(LetterQuery, app.current_event)
        found = services().letterbox.found(page.filter(), limit=page.limit, cursor=page.cursor)
        return answer(200, views.listing(found, letter_views.dead_letter))

    @app.get("/v1/opscore/dead-letters/groups")
    def dead_letter_groups() -> Any:
        page = query(LetterQuery, app.current_event)
        found = services().letterbox.groups(page.filter(), cursor=page.cursor)
        return answer(200, views.listing(found, letter_views.group))

    @app.get("/v1/opscore/dead-letter/<dead_letter_id>")
    def dead_letter(**_: str) -> Any:
        return answer(200, letter_views.with_body(*services().letterbox.get(_letter_id())))

    @app.get("/v1/opscore/dead-letter/<dead_letter_id>/compare/<other_id>")
    def compare(**_: str) -> Any:
        other_id = path_id(app.current_event, "otherId")
        found = services().letterbox.compare(_letter_id(), other_id)
        return answer(200, letter_views.comparison(found))

    @app.post("/v1/opscore/dead-letter/<dead_letter_id>/discard")
    def discard(**_: str) -> Any:
        said = body(DiscardBody, app.current_event)
        by = caller(app.current_event)
        discarded = services().letterbox.discard(_letter_id(), said.reason, by)
        return answer(200, letter_views.dead_letter(discarded))

    @app.post("/v1/opscore/dead-letter/<dead_letter_id>/replay")
    def replay(**_: str) -> Any:
        said = optional_body(ReplayBody, app.current_event)
        how = said.how(caller(app.current_event))
        done = services().replays.replay(_letter_id(), how, dry_run=said.dry_run)
        return answer(200 if said.dry_run else 202, letter_views.replayed(done))

    @app.post("/v1/opscore/dead-letters/replay")
    def replay_found() -> Any:
        said = body(ReplayFoundBody, app.current_event)
        done = services().replays.replay_found(
            said.filter(),
            said.how(caller(app.current_event)),
            limit=said.limit,
            cursor=said.cursor,
            dry_run=said.dry_run,
        )
        return answer(200, views.listing(done, letter_views.replayed))

    def _letter_id() -> str:
        return path_id(app.current_event, "deadLetterId")
