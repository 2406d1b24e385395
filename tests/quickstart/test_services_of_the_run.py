import psycopg
import redis
from django.conf import settings


def test_the_database_of_the_run_is_real_and_can_exclude_overlaps():
    with psycopg.connect(
        host=settings.DATABASES["default"]["HOST"],
        user=settings.DATABASES["default"]["USER"],
        dbname="postgres",
    ) as connection:
        known = connection.execute("SELECT name FROM pg_available_extensions WHERE name = 'btree_gist'")
        assert known.fetchone() == ("btree_gist",)


def test_the_broker_starts_empty(broker_url):
    with redis.Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0
        client.set("left behind", 1)


def test_the_broker_starts_empty_again(broker_url):
    with redis.Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0
        client.set("left behind", 1)
