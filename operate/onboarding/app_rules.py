"""What the settings of an app must be for logins with a key pair, as data: how each is seen, and where it is set.

Sources: Salesforce's "Metadata API Developer Guide" (ExtlClntAppGlobalOauthSettings, ExtlClntAppOauthSettings,
ExtlClntAppOauthConfigurablePolicies, ConnectedApp), and "OAuth 2.0 JWT Bearer Flow" in its help. The menus: in the same
help "Configure a JWT Bearer Flow" and "Preauthorize User App Access Through External Client App Policies", which both
go by the actions beside the app; "Edit a Connected App" and "Manage OAuth Access Policies for a Connected App".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from operate.onboarding.finding import Finding, Level, Place, Step
from salesforce_keypair.credential import AppType

Settings = Mapping[str, tuple[str, ...]]

MANAGER = "Setup > Apps > External Client Apps > External Client App Manager"

_MENUS = {
    AppType.EXTERNAL_CLIENT_APP: {
        Place.APP_SETTINGS: f"{MANAGER} > {{app}} > Edit Settings",
        Place.APP_POLICIES: f"{MANAGER} > {{app}} > Edit Policies",
    },
    AppType.CONNECTED_APP: {
        Place.APP_SETTINGS: "Setup > Apps > App Manager > {app} > Edit",
        Place.APP_POLICIES: "Setup > Apps > Connected Apps > Manage Connected Apps > {app} > Edit Policies",
    },
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting. `holds` says whether it is as it should be; none where the org doesn't show it."""

    holds: Callable[[Settings], bool | None]
    level: Level
    right: str
    wrong: str
    place: Place
    do: str


def _values(settings: Settings, *names: str) -> set[str] | None:
    """What a setting says, under whichever of its two kinds' names; None where neither is shown."""
    shown = [settings[name] for name in names if name in settings]
    return {part.strip().lower() for texts in shown for text in texts for part in text.split(",")} if shown else None


def _any_of(wanted: set[str], *names: str) -> Callable[[Settings], bool | None]:
    def holds(settings: Settings) -> bool | None:
        values = _values(settings, *names)
        return None if values is None else bool(values & wanted)

    return holds


def _scopes(settings: Settings) -> bool | None:
    scopes = _values(settings, "commaSeparatedOauthScopes", "scopes")
    if scopes is None:
        return None
    return bool(scopes & {"api", "full"}) and bool(scopes & {"refreshtoken", "offlineaccess"})


def _is_off(*names: str) -> Callable[[Settings], bool | None]:
    def holds(settings: Settings) -> bool | None:
        values = _values(settings, *names)
        return None if values is None else not values & {"true", "1"}

    return holds


RULES = (
    Rule(
        _scopes,
        Level.FAILED,
        "has the scopes api and refresh_token",
        "lacks the scope api or refresh_token, and no login succeeds without both",
        Place.APP_SETTINGS,
        "OAuth Scopes: 'Manage user data via APIs (api)' and 'Perform requests at any time (refresh_token, "
        "offline_access)'",
    ),
    Rule(
        _is_off("isClientCredentialsFlowEnabled", "isClientCredentialEnabled"),
        Level.WARNING,
        "gives no token for its consumer secret",
        "has the client credentials flow on: who knows the consumer secret gets tokens without the key",
        Place.APP_SETTINGS,
        "turn 'Enable Client Credentials Flow' off, unless somebody uses it",
    ),
    Rule(
        _is_off("isNamedUserJwtEnabled"),
        Level.WARNING,
        "issues opaque tokens",
        "issues JWT-format tokens, which the SOAP APIs refuse below v68.0",
        Place.APP_SETTINGS,
        "turn 'Issue JSON Web Token (JWT)-based access tokens for named users' off, unless no caller uses SOAP",
    ),
    Rule(
        _any_of({"adminapprovedpreauthorized", "true", "1"}, "permittedUsersPolicyType", "isAdminApproved"),
        Level.WARNING,
        "lets users in whom an administrator approved",
        "leaves it to users to authorize it, which takes a browser",
        Place.APP_POLICIES,
        "Permitted Users: 'Admin approved users are pre-authorized', and select the permission set or profile of the "
        "integration user",
    ),
    Rule(
        _any_of({"infinite"}, "refreshTokenPolicyType", "refreshTokenPolicy"),
        Level.WARNING,
        "keeps approvals until they are revoked",
        "lets approvals age, and with them the logins",
        Place.APP_POLICIES,
        "Refresh Token Policy: 'Refresh token is valid until revoked'",
    ),
    Rule(
        _any_of({"bypass"}, "ipRelaxationPolicyType", "ipRelaxation"),
        Level.WARNING,
        "relaxes IP restrictions",
        "enforces IP restrictions, and Lambda's addresses change",
        Place.APP_POLICIES,
        "IP Relaxation: 'Relax IP restrictions', unless the functions have a fixed address that the user may come from",
    ),
)


def menu_of(place: Place, app_type: AppType, app: str) -> str:
    """The way to an app's settings or policies."""
    return _MENUS[app_type][place].format(app=app)


def judge(rule: Rule, settings: Settings, *, app: str, app_type: AppType, proven: bool) -> Finding | None:
    """What a rule makes of an app's settings; nothing where the org doesn't show them and a login has proved them."""
    holds = rule.holds(settings)
    if holds:
        return Finding(Level.OK, f"{app} {rule.right}")
    menu = menu_of(rule.place, app_type, app)
    if holds is None:
        if proven:
            return None
        return Finding(
            Level.UNKNOWN,
            f"whether {app} {rule.right} can't be seen from here",
            step=Step(rule.place, f"{menu}: see that it is so: {rule.do}"),
        )
    step = Step(rule.place, f"{menu}: {rule.do}")
    return Finding(rule.level, f"{app} {rule.wrong}", remedy=step.text, step=step)


def approved_by(settings: Settings) -> str | None:
    """The permission sets and profiles whose users the app lets in, where they are shown."""
    permission_sets = _named(settings, "commaSeparatedPermissionSet", "permissionSetName")
    profiles = _named(settings, "commaSeparatedProfile", "profileName")
    parts = [f"the permission set {' or '.join(permission_sets)}"] if permission_sets else []
    parts += [f"the profile {' or '.join(profiles)}"] if profiles else []
    return " or ".join(parts) or None


def _named(settings: Settings, *names: str) -> list[str]:
    texts = [text for name in names for text in settings.get(name, ())]
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
