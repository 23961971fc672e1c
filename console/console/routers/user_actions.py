"""What administrators do to a user: correct the name and the address, disable and enable the account, remove a device."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from starlette.responses import Response

from console.dependencies import Administrator, CheckedForm, DeviceId, ThingId, Visitor, go_to, text_of
from console.errors import DeviceNotFound
from console.services.confirming import Question
from console.services.words import provider
from notifications import Conflict, InvalidRequest, User

router = APIRouter()
Acting = Annotated[Visitor, Depends(Administrator("users"))]
QUESTIONS = {
    "disable": (
        "Disable {}?",
        "Disable the account",
        ("The sessions end, and logins and the user's API keys are refused.",
         "Notifications to the user still arrive. It can be enabled again at any time."),
    ),
    "enable": ("Enable {}?", "Enable the account", ("The user can log in again.",)),
}  # fmt: skip


@router.get("/users/{thing_id}/change")
async def ask_for_changes(visitor: Acting, thing_id: ThingId) -> Response:
    user = await visitor.api.users.get(thing_id)
    return _form(visitor, user, name=user.name, email=user.email)


@router.post("/users/{thing_id}/change")
async def change(visitor: Acting, thing_id: ThingId, form: CheckedForm) -> Response:
    name, email = text_of(form, "name"), text_of(form, "email")
    try:
        await visitor.api.users.update(thing_id, name=name, email=email)
    except (InvalidRequest, Conflict) as refused:
        return _form(visitor, await visitor.api.users.get(thing_id), name=name, email=email, refused=refused)
    return go_to(f"/users/{thing_id}?done=user-changed")


def _form(
    visitor: Visitor, user: User, *, name: str, email: str, refused: InvalidRequest | Conflict | None = None
) -> Response:
    return visitor.page(
        "user_form",
        "users",
        title=f"Change {user.name}",
        status=200 if refused is None else 422,
        user=user,
        fields={"name": name, "email": email},
        problem="" if refused is None else refused.message,
        problems=() if refused is None else refused.problems,
    )


@router.get("/users/{thing_id}/{what}")
async def ask(visitor: Acting, thing_id: ThingId, what: Literal["disable", "enable"]) -> Response:
    user = await visitor.api.users.get(thing_id)
    title, button, points = QUESTIONS[what]
    here = f"/users/{thing_id}"
    question = Question(
        title=title.format(user.name),
        points=points,
        action=f"{here}/{what}",
        button=button,
        back=here,
        back_title=user.name,
        harmless=what == "enable",
    )
    return visitor.ask(question, "users")


@router.post("/users/{thing_id}/disable")
async def disable(visitor: Acting, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.users.disable(thing_id)
    return go_to(f"/users/{thing_id}?done=user-disabled")


@router.post("/users/{thing_id}/enable")
async def enable(visitor: Acting, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.users.enable(thing_id)
    return go_to(f"/users/{thing_id}?done=user-enabled")


@router.get("/users/{thing_id}/devices/{device_id}/remove")
async def ask_for_a_device(visitor: Acting, thing_id: ThingId, device_id: DeviceId) -> Response:
    found = next((one for one in await visitor.api.users.devices(thing_id) if one.id == device_id), None)
    if found is None:
        raise DeviceNotFound
    here = f"/users/{thing_id}"
    question = Question(
        title=f"Remove the device {found.fingerprint[:8]}?",
        points=(
            f"No push notification goes to it any more, over {provider(found.provider)}.",
            "An app that is still there registers it again when it starts.",
        ),
        action=f"{here}/devices/{device_id}/remove",
        button="Remove it",
        back=here,
        back_title="The user",
    )
    return visitor.ask(question, "users")


@router.post("/users/{thing_id}/devices/{device_id}/remove")
async def remove_device(visitor: Acting, thing_id: ThingId, device_id: DeviceId, _form: CheckedForm) -> Response:
    await visitor.api.users.remove_device(thing_id, device_id)
    return go_to(f"/users/{thing_id}?done=device-removed")
