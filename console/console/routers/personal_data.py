"""What is stored about a user as a file, and erasing a user."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from console.dependencies import Administrator, CheckedForm, ThingId, Visitor, go_to, same_text, text_of
from console.services.confirming import Question
from notifications import User

router = APIRouter()
Acting = Annotated[Visitor, Depends(Administrator("users"))]
FOLLOWED = 60  # times that a receipt's page asks again: ten minutes, then it rests
EVERY_SECONDS = 10


@router.post("/users/{thing_id}/export")
async def export(visitor: Acting, thing_id: ThingId, _form: CheckedForm) -> Response:
    """A form and not a link: the export is recorded in the audit trail."""
    whole = await visitor.api.users.export(thing_id)
    headers = {"Content-Disposition": f'attachment; filename="user-{thing_id}.json"'}
    return Response(whole.model_dump_json(indent=2), media_type="application/json", headers=headers)


@router.get("/users/{thing_id}/erase")
async def ask(visitor: Acting, thing_id: ThingId) -> Response:
    return _sure(visitor, await visitor.api.users.get(thing_id))


@router.post("/users/{thing_id}/erase")
async def erase(visitor: Acting, thing_id: ThingId, form: CheckedForm) -> Response:
    user = await visitor.api.users.get(thing_id)
    if not same_text(text_of(form, "typed"), user.email):
        return _sure(visitor, user, problem="This is not the user's address. Nothing was erased.")
    return go_to(f"/erasures/{(await visitor.api.users.delete(thing_id)).id}")


@router.get("/erasures/{thing_id}")
async def receipt(visitor: Acting, thing_id: ThingId) -> Response:
    return visitor.page("erasure", "users", title="Erasure", **await _receipt(visitor, thing_id))


@router.get("/erasures/{thing_id}/live")
async def live(visitor: Acting, thing_id: ThingId, poll: Annotated[int, Query(ge=0, le=FOLLOWED)] = 0) -> Response:
    return visitor.page("erasure_live", "users", **await _receipt(visitor, thing_id, poll + 1))


async def _receipt(visitor: Visitor, erasure_id: str, poll: int = 0) -> dict[str, object]:
    one = await visitor.api.users.erasure(erasure_id)
    follows = one.completed_at is None and poll < FOLLOWED
    return {"one": one, "follows": follows, "poll": poll, "every": EVERY_SECONDS}


def _sure(visitor: Visitor, user: User, *, problem: str = "") -> Response:
    here = f"/users/{user.id}"
    question = Question(
        title=f"Erase {user.name}?",
        points=(
            "The user, the devices, the sessions and the preferences are deleted now.",
            "Addresses, values and provider's words of everything that was sent are emptied in all services, within minutes.",
            "What waits to be sent is cancelled. A receipt says how much was erased.",
            "This cannot be undone. Export first if somebody needs the data.",
        ),
        action=f"{here}/erase",
        button="Erase for good",
        back=here,
        back_title=user.name,
        typed=user.email,
        typed_label="Type the user's e-mail address to confirm",
    )
    return visitor.ask(question, "users", problem=problem)
