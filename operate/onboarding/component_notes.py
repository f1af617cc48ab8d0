"""What the files of a new app say of themselves: what is documented, what was seen in use, and what is inferred."""

ABOUT_APP = "Logs an integration user in with a key pair that AWS Secrets Manager rotates."
ABOUT_ADMIN_APP = "Installs the certificates of rotated key pairs. The rotation function alone reads its credential."

APP = "The app itself. Documented: all elements. Local: for this org alone, not for packages."

FLOWS = """\
DEPLOY THIS ONCE. A deploy resets what it leaves out, and this file holds no certificate: deployed again later, it
takes the certificate out of the app, and every login fails until the next rotation.

Documented: all elements. It is a certificate that turns the JWT bearer flow on; the first rotation installs one, so
there is none here, nor a consumer key or secret, which Salesforce makes itself. callbackUrl is asked for, and never
used by this flow. shouldRotate...: true would make Salesforce issue a new key or secret. The guide asks for the org's
switch 'Allow Access to OAuth Consumer Secrets via Metadata API' and the permission 'View External Client Apps
Consumer Secrets in Metadata'; deploys are seen to work without, and Salesforce advises to keep the switch off.
Seen in use: the full name with _glbloauth, as Setup makes it."""

ADMIN_FLOWS = """\
The admin app's flow: client credentials, and no other. Documented: all elements. Salesforce makes the consumer key and
secret itself: read them in Setup, and store them in the admin's secret. isNamedUserJwtEnabled is false, for SOAP
refuses JWT-format tokens below v68.0.
Seen in use: the full name with _glbloauth, as Setup makes it."""

SCOPES = """\
The scopes. Documented: the elements. Seen in use: these spellings of the scopes. There is no oauthLink: it belongs to
the org that a file was made in, and a deploy makes it."""

POLICIES = """\
The policies: who may use the app, and from where. Documented: all elements; but the guide calls the permission sets
ids, while its own sample and working projects name them by API name, as here. Seen in use: Salesforce names an app's
policies with _oauthPlcy and has one of them an app, so under another name a deploy fails as a duplicate.
Inferred: that they may come in the same deploy as the app. If that fails, deploy all but them, then them alone."""

PERMISSIONS = """\
Assign it to the integration user; the app's policies name it. Documented: all elements. There is no license element: a
permission set on the licence 'Salesforce API Integration' can't carry an app (Salesforce's knowledge article
001453686). Give the objects and fields that the integration needs in a permission set of their own."""

ADMIN_PERMISSIONS = """\
Assign it to the user that the admin app runs as. Documented: all elements, and that this user needs 'Modify Metadata
Through Metadata API Functions' (ModifyMetadata). Inferred: that this takes ViewSetup and ViewRoles along, as in the
permission sets of working projects.
Not here, for their API names aren't documented: tick the permissions to view and edit External Client Apps in Setup,
under System Permissions ('View all External Client Apps, view their settings, and edit their policies' and 'Create,
edit, and delete External Client Apps')."""
