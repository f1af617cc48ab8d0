"""The metadata components of a new External Client App, and what is known of each of their elements.

Documented: types, folders, suffixes, elements and their values (Salesforce's "Metadata API Developer Guide", API 67.0).
Seen in projects that deploy them: the components' full names, permission sets named by API name and not by id, and that
all four go in one deploy. Inferred: what the comments in the files call so. Tried on a live org: nothing of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from operate.onboarding import component_notes as notes

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
API_VERSION = "67.0"

Value = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Component:
    """One component, and what a reader of its file should know."""

    metadata_type: str
    full_name: str
    path: str
    """Within the package directory, in source format."""
    note: str
    elements: tuple[tuple[str, Value], ...]

    @property
    def xml(self) -> str:
        """The file's content."""
        body = "".join(_element(name, value) for name, value in self.elements)
        # A comment must not hold two hyphens in a row.
        note = self.note.replace("--", "- -")
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<!--\n{note}\n-->\n'
            f'<{self.metadata_type} xmlns="{NAMESPACE}">\n{body}</{self.metadata_type}>\n'
        )


@dataclass(frozen=True, slots=True)
class NewApp:
    """An app that is to be made. `run_as` is set for an admin app, whose client credentials log that user in."""

    name: str
    contact_email: str
    callback: str
    admin: bool = False
    run_as: str | None = None

    @property
    def permission_set(self) -> str:
        """The permission set whose users the app lets in."""
        return f"{self.name}_{'Admin' if self.admin else 'Login'}"


def components_of(app: NewApp) -> tuple[Component, ...]:
    """All that makes an app of that kind, its permission set included."""
    return (_header(app), _global_settings(app), _settings(app), _policies(app), _permission_set(app))


def manifest(components: tuple[Component, ...]) -> str:
    """The package.xml that names them all."""
    by_type: dict[str, list[str]] = {}
    for component in components:
        by_type.setdefault(component.metadata_type, []).append(component.full_name)
    types = "".join(
        "    <types>\n"
        + "".join(f"        <members>{escape(name)}</members>\n" for name in names)
        + f"        <name>{metadata_type}</name>\n    </types>\n"
        for metadata_type, names in by_type.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Package xmlns="{NAMESPACE}">\n{types}    <version>{API_VERSION}</version>\n</Package>\n'
    )


def _header(app: NewApp) -> Component:
    return Component(
        "ExternalClientApplication",
        app.name,
        f"externalClientApps/{app.name}.eca-meta.xml",
        notes.APP,
        (
            ("contactEmail", app.contact_email),
            ("description", notes.ABOUT_ADMIN_APP if app.admin else notes.ABOUT_APP),
            ("distributionState", "Local"),
            ("isProtected", "false"),
            ("label", app.name),
        ),
    )


def _global_settings(app: NewApp) -> Component:
    return Component(
        "ExtlClntAppGlobalOauthSettings",
        f"{app.name}_glbloauth",
        f"extlClntAppGlobalOauthSets/{app.name}_glbloauth.ecaGlblOauth-meta.xml",
        notes.ADMIN_FLOWS if app.admin else notes.FLOWS,
        (
            ("callbackUrl", app.callback),
            ("externalClientApplication", app.name),
            ("isClientCredentialsFlowEnabled", _flag(app.admin)),
            ("isCodeCredFlowEnabled", "false"),
            ("isConsumerSecretOptional", "false"),
            ("isDeviceFlowEnabled", "false"),
            ("isIntrospectAllTokens", "false"),
            ("isNamedUserJwtEnabled", "false"),
            ("isPkceRequired", "true"),
            ("isSecretRequiredForRefreshToken", "true"),
            ("isTokenExchangeEnabled", "false"),
            ("label", f"{app.name}_glbloauth"),
            ("shouldRotateConsumerKey", "false"),
            ("shouldRotateConsumerSecret", "false"),
        ),
    )


def _settings(app: NewApp) -> Component:
    return Component(
        "ExtlClntAppOauthSettings",
        f"{app.name}_oauth",
        f"extlClntAppOauthSettings/{app.name}_oauth.ecaOauth-meta.xml",
        notes.SCOPES,
        (
            # Without a browser and without a refresh token the client credentials flow needs `api` alone.
            ("commaSeparatedOauthScopes", "Api" if app.admin else "Api, RefreshToken"),
            ("externalClientApplication", app.name),
            ("label", f"{app.name}_oauth"),
        ),
    )


def _policies(app: NewApp) -> Component:
    run_as = (("clientCredentialsFlowUser", app.run_as),) if app.run_as else ()
    return Component(
        "ExtlClntAppOauthConfigurablePolicies",
        f"{app.name}_oauthPlcy",
        f"extlClntAppOauthPolicies/{app.name}_oauthPlcy.ecaOauthPlcy-meta.xml",
        notes.POLICIES,
        (
            *run_as,
            ("commaSeparatedPermissionSet", app.permission_set),
            ("externalClientApplication", app.name),
            ("ipRelaxationPolicyType", "Bypass"),
            ("isClientCredentialsFlowEnabled", _flag(app.run_as is not None)),
            ("label", f"{app.name}_oauthPlcy"),
            ("permittedUsersPolicyType", "AdminApprovedPreAuthorized"),
            ("refreshTokenPolicyType", "Infinite"),
        ),
    )


def _permission_set(app: NewApp) -> Component:
    names = ("ApiEnabled", "ModifyMetadata", "ViewRoles", "ViewSetup") if app.admin else ("ApiEnabled",)
    return Component(
        "PermissionSet",
        app.permission_set,
        f"permissionsets/{app.permission_set}.permissionset-meta.xml",
        notes.ADMIN_PERMISSIONS if app.admin else notes.PERMISSIONS,
        (
            ("description", f"Who has it may log in through the External Client App {app.name}."),
            ("hasActivationRequired", "false"),
            ("label", app.permission_set),
            *(("userPermissions", {"enabled": "true", "name": name}) for name in names),
        ),
    )


def _element(name: str, value: Value) -> str:
    if isinstance(value, str):
        return f"    <{name}>{escape(value)}</{name}>\n"
    inner = "".join(f"        <{each}>{escape(text)}</{each}>\n" for each, text in value.items())
    return f"    <{name}>\n{inner}    </{name}>\n"


def _flag(value: bool) -> str:
    return str(value).lower()
