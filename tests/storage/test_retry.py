"""What an error of the database means, also when something else stands before it."""

import socket

import peewee
import pymysql
import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import retry
from tenantry.storage.retry import CommitUnknownError, Fate, NotConnectedError


def of_server(code: int) -> Exception:
    """An error of the server as peewee hands it on."""
    driver = pymysql.err.OperationalError(code, "said the server")
    return masking(driver, peewee.OperationalError(driver, *driver.args))


def masking(hidden: Exception, shown: Exception) -> Exception:
    """``shown``, as if it was raised while ``hidden`` was handled."""
    shown.__context__ = hidden
    return shown


@pytest.mark.parametrize("code", [1213, 1205, 1020, 8002, 8022, 9007])
def test_what_the_server_undid_is_tried_again(code: int) -> None:
    assert retry.fate(of_server(code)) == Fate(again=True, discard=False, code=code)


@pytest.mark.parametrize("code", [0, 1040, 1047, 1053, 1180, 1203, 1226, 1290, 1836, 1927, 2003, 2006, 2013, 4031])
def test_a_lost_connection_is_discarded(code: int) -> None:
    assert retry.fate(of_server(code)) == Fate(again=True, discard=True, code=code)


@pytest.mark.parametrize("code", [1021, 1037, 1044, 1045, 1114, 1129, 1130, 1142, 1143, 1227, 1698])
def test_what_the_server_refuses_is_not_tried_again(code: int) -> None:
    assert retry.fate(of_server(code)) == Fate(again=False, discard=True, code=code)


def test_a_connection_that_cannot_be_opened_is_nobodys_fault() -> None:
    for code, again in ((2003, True), (1045, False), (3159, False)):
        assert retry.fate(masking(of_server(code), NotConnectedError())) == Fate(again=again, discard=True, code=code)
    assert retry.fate(masking(RuntimeError("no cryptography"), NotConnectedError())).code == 0


@pytest.mark.parametrize("code", [1062, 1064, 1146, 1305, 1406])
def test_other_errors_are_the_units_own(code: int) -> None:
    assert retry.fate(of_server(code)) == Fate(again=False, discard=False, code=None)


def test_what_is_masked_counts() -> None:
    assert retry.fate(masking(of_server(1213), of_server(1305))).again
    assert retry.fate(masking(of_server(1213), TenantryError(Code.INTERNAL, "no"))).again
    assert retry.fate(masking(of_server(1213), of_server(2013))) == Fate(again=True, discard=True, code=2013)


def test_a_commit_that_may_have_happened_is_not_tried_again() -> None:
    lost = masking(of_server(2013), CommitUnknownError())
    assert retry.fate(lost) == Fate(again=False, discard=True, code=2013)


def test_numbers_in_other_errors_mean_nothing() -> None:
    for error in (KeyError(0), ValueError(1213), OSError(2013, "x")):
        assert retry.fate(error) == Fate(again=False, discard=False, code=None)


def test_pauses_grow() -> None:
    for attempt, longest in ((1, 0.02), (2, 0.04), (4, 0.16)):
        pauses = [retry.pause(attempt) for _ in range(200)]
        assert 0 <= min(pauses) <= max(pauses) <= longest
        assert max(pauses) > longest / 2


def test_what_the_system_said_is_found_below_what_masks_it() -> None:
    unknown = socket.gaierror(-2, "Name or service not known")
    assert retry.system_error(masking(unknown, NotConnectedError())) == "Name or service not known"
    assert retry.system_error(of_server(2003)) == ""
