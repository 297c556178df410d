-- The reader of the history. Run it once as an administrator, with the database and the password of your own:
--
--   sed "s/shelfwire\./DATABASE./; s/PASSWORD/…/" schemas/clickhouse/roles.sql | clickhouse-client --multiquery
--
-- It is not part of `shelfwire migrate`, whose user need not be allowed to make others. A server that takes its users from files
-- needs the same grant there: GRANT SELECT ON shelfwire.*

CREATE ROLE IF NOT EXISTS analyst SETTINGS readonly = 2, max_execution_time = 300;
GRANT SELECT ON shelfwire.* TO analyst;
CREATE USER IF NOT EXISTS analyst IDENTIFIED WITH sha256_password BY 'PASSWORD' DEFAULT ROLE analyst;
GRANT analyst TO analyst;
