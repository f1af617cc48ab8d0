"""The metadata types this org knows, and where their components lie in a package."""

from dataclasses import dataclass

OLDEST_API_VERSION = 20
NEWEST_API_VERSION = 68


@dataclass(frozen=True, slots=True)
class MetadataType:
    """A metadata type; `since` is the first API version that the project's facts grant it."""

    name: str
    folder: str
    suffix: str
    since: int

    def file_name(self, full_name: str) -> str:
        return f"{self.folder}/{full_name}.{self.suffix}"


EXTERNAL_CLIENT_APP = MetadataType("ExternalClientApplication", "externalClientApps", "eca", since=60)
GLOBAL_OAUTH_SETTINGS = MetadataType(
    "ExtlClntAppGlobalOauthSettings", "extlClntAppGlobalOauthSets", "ecaGlblOauth", since=60
)
OAUTH_SETTINGS = MetadataType("ExtlClntAppOauthSettings", "extlClntAppOauthSettings", "ecaOauth", since=60)
OAUTH_POLICIES = MetadataType(
    "ExtlClntAppOauthConfigurablePolicies", "extlClntAppOauthPolicies", "ecaOauthPlcy", since=60
)
CONNECTED_APP = MetadataType("ConnectedApp", "connectedApps", "connectedApp", since=29)
METADATA_TYPES = {
    kind.name: kind
    for kind in (CONNECTED_APP, EXTERNAL_CLIENT_APP, GLOBAL_OAUTH_SETTINGS, OAUTH_POLICIES, OAUTH_SETTINGS)
}
