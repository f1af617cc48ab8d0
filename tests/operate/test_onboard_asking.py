"""`onboard` at a terminal: what it asks, and that a wrong answer is asked for again."""

from tests.operate.desk import Desk


def test_all_that_is_missing_is_asked_for(desk: Desk) -> None:
    world = desk.stage.world
    typed = [world.org.url, "Billing", world.app.consumer_key, world.user.username, "salesforce/keypair-admin", "", "y"]
    result = desk.run(typed="\n".join(typed) + "\n")
    assert result.exit_code == 0, result.output
    assert desk.document["consumerKey"] == world.app.consumer_key
    assert "standby" not in desk.document
    # What a person types is echoed by a terminal.
    desk.printed.clear()


def test_a_wrong_answer_says_why_and_is_asked_for_again(desk: Desk) -> None:
    wrong = ["https://acme.lightning.force.com", "acme"]
    typed = [*wrong, desk.stage.world.org.url, "My App", "Billing", "", "y"]
    result = desk.onboard(my_domain=None, app=None, typed="\n".join(typed) + "\n")
    assert result.exit_code == 0, result.output
    assert "the org's API is at its .my.salesforce.com host" in result.output
    assert "letters, digits, underscores" in result.output
    assert desk.document["appName"] == "Billing"


def test_a_second_app_may_be_named(desk: Desk) -> None:
    second = desk.use_standby()
    result = desk.onboard(username=None, typed=f"billing.robot@example.com\n{second['standby_app']}\nkey\ny\n")
    assert result.exit_code == 1
    assert "the consumer key isn't the one of BillingStandby" in result.output


def test_no_is_no(desk: Desk) -> None:
    before = desk.seen()
    result = desk.onboard(typed="n\n")
    assert result.exit_code == 1
    assert "Nothing was done" in result.output
    assert desk.seen() == before


def test_nothing_is_asked_that_the_document_says(desk: Desk) -> None:
    desk.done()
    result = desk.run(typed="")
    assert result.exit_code == 0, result.output
    assert "Nothing changes" in result.output
