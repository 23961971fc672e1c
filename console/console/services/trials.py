"""What a trial says, in a sentence: can this version be activated?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from notifications import Trial, TriedNotification


@dataclass(frozen=True, slots=True)
class TrialVerdict:
    tone: Literal["good", "wait", "bad", "idle"]
    headline: str
    details: Sequence[str] = ()


def verdict_on(trial: Trial) -> TrialVerdict:
    tried = trial.notifications
    if not tried:
        text = "there was no time to render any of them" if trial.found else "nothing was sent in this language lately"
        return TrialVerdict("idle", f"Nothing was tried: {text}.")
    details = [*_missing(tried), *_changes(tried)]
    if not trial.complete:
        details.append(f"{len(tried)} of {trial.found} were tried: there was no time for more.")
    newly = sum(one.after.error is not None and one.before.error is None for one in tried)
    if newly:
        whom = "the last notification" if len(tried) == 1 else f"{newly} of the last {len(tried)} notifications"
        return TrialVerdict("bad", f"{whom[0].upper()}{whom[1:]} would fail with version {trial.version}.", details)
    if trial.failing:
        text = f"{trial.failing} of the last {len(tried)} fail with version {trial.version}, as they do with the active one."
        return TrialVerdict("wait", text, details)
    whom = "The last notification" if len(tried) == 1 else f"All of the last {len(tried)} notifications"
    return TrialVerdict("good", f"{whom} can be sent with version {trial.version}.", details)


def _missing(tried: Sequence[TriedNotification]) -> list[str]:
    counts: dict[str, int] = {}
    for one in tried:
        for name in one.after.missing_variables:
            counts[name] = counts.get(name, 0) + 1
    if len(tried) == 1:
        return [f"{name} is missing." for name in sorted(counts)]
    return [f"{name} is missing in {number} of them." for name, number in sorted(counts.items())]


def _changes(tried: Sequence[TriedNotification]) -> list[str]:
    said = []
    if subjects := sum(subject_changed(one) for one in tried):
        longest = max(one.after.subject_length or 0 for one in tried)
        several = f"The subject changes in {subjects}; the longest has {longest} characters."
        said.append(several if len(tried) > 1 else f"Its subject changes, and has {longest} characters.")
    if links := sum(bool(one.links_added or one.links_removed) for one in tried):
        said.append(f"Links change in {links}." if len(tried) > 1 else "Its links change.")
    if not said and not any(one.after.error for one in tried):
        said.append("Subjects and links stay as they are.")
    return said


def subject_changed(one: TriedNotification) -> bool:
    if one.after.error or one.before.error:
        return False
    return (one.before.subject, one.before.subject_length) != (one.after.subject, one.after.subject_length)
