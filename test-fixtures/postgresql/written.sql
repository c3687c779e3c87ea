-- Fails unless write.sql has been here with the same :word.
\connect shop
SELECT 1 / count(*) FROM sales.customer WHERE note = :'word' AND email = (:'word' || '@EXAMPLE.org')::citext;
SELECT 1 / (count(*) = 20)::int FROM sales.sale WHERE region = :'word';
SELECT 1 / count(*) FROM pg_largeobject_metadata WHERE lo_get(oid) = convert_to(:'word', 'UTF8');
SELECT 1 / pg_has_role(:'word', 'shop_reader', 'MEMBER WITH ADMIN OPTION')::int;
SELECT 1 / has_table_privilege(:'word', 'sales.room', 'INSERT')::int;
\connect "Bücher & mehr"
SELECT 1 / count(*) FROM book WHERE title = :'word';
\connect latin
SELECT 1 / count(*) FROM word WHERE word = :'word';
