"""The settings of a new app as Setup makes them, without what the org itself answers for."""

from tests.sandbox.org.xmltree import Element


def external_client_app(name: str, *, jwt_access_tokens: bool, client_credentials: bool) -> tuple[Element, ...]:
    """Global OAuth settings of an External Client App."""
    id_token = (
        Element("idTokenAudience", f"https://{name.lower()}.example/?a=1&b=2"),
        Element("idTokenIncludeAttributes", "true"),
        Element("idTokenIncludeCustomPermissions", "false"),
        Element("idTokenIncludeStandardClaims", "true"),
        Element("idTokenValidityInMinutes", "2"),
    )
    return (
        Element("callbackUrl", f"https://{name.lower()}.example/callback\nhttps://localhost/callback"),
        Element("externalClientApplication", name),
        Element("idTokenConfig", children=id_token),
        Element("isClientCredentialsFlowEnabled", _flag(client_credentials)),
        Element("isCodeCredFlowEnabled", "false"),
        Element("isConsumerSecretOptional", "false"),
        Element("isIntrospectAllTokens", "false"),
        Element("isNamedUserJwtEnabled", _flag(jwt_access_tokens)),
        Element("isPkceRequired", "true"),
        Element("isRefreshTokenRotationEnabled", "true"),
        Element("isSecretRequiredForRefreshToken", "true"),
        Element("label", f"{name} <global> OAuth & settings"),
    )


def connected_app(name: str, *, jwt_access_tokens: bool, client_credentials: bool) -> tuple[Element, ...]:
    """A Connected App with everything around its certificate that a careless write could lose."""
    host = f"{name.lower().replace('_', '-')}.example"
    id_token = (
        Element("idTokenAudience", f"https://{host}/?a=1&b=2"),
        Element("idTokenIncludeAttributes", "true"),
        Element("idTokenIncludeCustomPerms", "false"),
        Element("idTokenIncludeStandardClaims", "true"),
        Element("idTokenValidity", "2"),
    )
    oauth = (
        Element("callbackUrl", f"https://{host}/callback\nhttps://localhost/callback"),
        Element("idTokenConfig", children=id_token),
        Element("isAdminApproved", "true"),
        Element("isClientCredentialEnabled", _flag(client_credentials)),
        Element("isCodeCredentialEnabled", "false"),
        Element("isConsumerSecretOptional", "false"),
        Element("isIntrospectAllTokens", "false"),
        Element("isNamedUserJwtEnabled", _flag(jwt_access_tokens)),
        Element("isPkceRequired", "true"),
        Element("isSecretRequiredForRefreshToken", "true"),
        Element("scopes", "Api"),
        Element("scopes", "RefreshToken"),
    )
    ip_range = (Element("description", "Head office"), Element("end", "192.0.2.9"), Element("start", "192.0.2.1"))
    policy = (Element("ipRelaxation", "BYPASS"), Element("refreshTokenPolicy", "infinite"))
    session = (Element("policyAction", "Block"), Element("sessionLevel", "STANDARD"), Element("sessionTimeout", "120"))
    return (
        Element("contactEmail", "integration@example.com"),
        Element("contactPhone", "+1 555 0100"),
        Element("description", f"{name} <nightly> & hourly"),
        Element("ipRanges", children=ip_range),
        Element("label", f"{name} <connected> & approved"),
        Element("oauthConfig", children=oauth),
        Element("oauthPolicy", children=policy),
        Element("permissionSetName", "Integration_Login"),
        Element("permissionSetName", "Integration_Data"),
        Element("profileName", "Minimum Access - API Only Integrations"),
        Element("sessionPolicy", children=session),
    )


def _flag(value: bool) -> str:
    return str(value).lower()
