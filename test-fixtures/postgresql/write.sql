-- Rows that say :word, in every database of seed.sql, and what goes with rows.
\connect shop
SET search_path = sales, public;
INSERT INTO customer (name, email, note) VALUES (:'word', :'word' || '@example.org', :'word');
INSERT INTO sale (at, region, amount, customer)
  SELECT '2024-03-01'::date + i, :'word', 100 + i, (SELECT max(id) FROM customer) FROM generate_series(1, 20) i;
REFRESH MATERIALIZED VIEW moods;
SELECT nextval('untouched');
SELECT lo_from_bytea(0, convert_to(:'word', 'UTF8'));
CREATE ROLE :"word" LOGIN PASSWORD :'word';
GRANT shop_reader TO :"word" WITH ADMIN OPTION;
GRANT INSERT ON room TO :"word";
\connect "Bücher & mehr"
INSERT INTO book VALUES (:'word', 2026);
\connect latin
INSERT INTO word VALUES (:'word');
