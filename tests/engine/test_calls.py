"""What a first `up` asks of AWS: how much, and how much of it at the same time."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.proxy import Fault

# What waits for nothing else, and what waits for one of these: so a new relationship is two writes deep.
FIRST = ("CreateRole", "CreatePolicy", "CreateUser")
SECOND = ("AttachRolePolicy", "AttachUserPolicy", "CreateAccessKey")
WRITES = Counter({"CreatePolicy": 2, **dict.fromkeys({*FIRST, *SECOND} - {"CreatePolicy"}, 1)})
MOST_READS = 2  # of a resource


def written(proxy):
    return Counter(action for action in proxy.actions if action in WRITES)


def test_a_new_relationship_takes_seven_writes_and_the_first_four_wait_for_none(project, proxy, wait_until):
    project.configure({"endpoint": proxy.url})
    for action in FIRST:
        proxy.planned[action] = [Fault.WAIT] * 2
    with ThreadPoolExecutor() as elsewhere:
        deployment = elsewhere.submit(project.up)
        wait_until(lambda: written(proxy) == Counter({"CreatePolicy": 2, "CreateRole": 1, "CreateUser": 1}))
        proxy.release()
        deployment.result()
    assert written(proxy) == WRITES
    reads = [action for action in proxy.actions if action not in WRITES and action != "GetCallerIdentity"]
    assert len(reads) <= MOST_READS * WRITES.total(), Counter(reads)
    assert all(action.startswith(("Get", "List")) for action in reads)


def test_the_other_three_wait_for_none_of_each_other(project, proxy, wait_until):
    project.configure({"endpoint": proxy.url})
    for action in SECOND:
        proxy.planned[action] = [Fault.WAIT]
    with ThreadPoolExecutor() as elsewhere:
        deployment = elsewhere.submit(project.up)
        wait_until(lambda: written(proxy) == WRITES)
        proxy.release()
        deployment.result()


def test_nothing_to_change_takes_no_call_but_the_two_that_name_the_accounts(standing, proxy):
    standing.stand_behind(proxy.url)
    standing.up()
    assert Counter(proxy.actions) == {"GetCallerIdentity": 2}
