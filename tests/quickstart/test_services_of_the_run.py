import pytest
import redis
from django.db import connection


@pytest.mark.django_db
def test_the_database_of_the_run_is_real_and_can_exclude_overlaps():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_available_extensions WHERE name = 'btree_gist'")
        assert cursor.fetchone() == ("btree_gist",)


def test_the_broker_starts_empty(broker_url):
    with redis.Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0
        client.set("left behind", 1)


def test_the_broker_starts_empty_again(broker_url):
    with redis.Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0
        client.set("left behind", 1)
