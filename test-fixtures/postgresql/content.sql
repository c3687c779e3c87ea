-- All that must not be lost, as text that does not depend on the version that says it: of the cluster where :database is
-- empty, else of that database. Whatever a version says in its own words (how a view is written down, which rights there
-- are besides) is asked for by what it does.
SET extra_float_digits = 3;
SET datestyle = 'ISO';
SET intervalstyle = 'iso_8601';
SET timezone = 'UTC';
SET bytea_output = 'hex';
SET row_security = off;
SET search_path = pg_catalog;

-- Rights as lines of who gave whom what. MAINTAIN came with 17.
CREATE FUNCTION pg_temp.rights(acl aclitem[], kind "char", owner oid) RETURNS text LANGUAGE sql AS $f$
  SELECT string_agg(concat_ws(' ', grantor::regrole, CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END,
      privilege_type, is_grantable), ', ' ORDER BY grantor::regrole::text COLLATE "C",
      grantee::regrole::text COLLATE "C", privilege_type COLLATE "C")
    FROM aclexplode(coalesce(acl, acldefault(kind, owner))) WHERE privilege_type <> 'MAINTAIN'
$f$;

SELECT :'database' = '' AS whole \gset
\if :whole

SELECT 'role', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
    rolconnlimit, rolvaliduntil, rolpassword, shobj_description(oid, 'pg_authid')
  FROM pg_authid WHERE oid >= 16384 OR rolname = 'postgres' ORDER BY rolname COLLATE "C";
SELECT 'member', roleid::regrole, member::regrole, admin_option FROM pg_auth_members
  WHERE member >= 16384 ORDER BY roleid::regrole::text COLLATE "C", member::regrole::text COLLATE "C";
SELECT 'setting', coalesce(datname, ''), CASE setrole WHEN 0 THEN '' ELSE setrole::regrole::text END, setconfig
  FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase
  ORDER BY datname COLLATE "C", setrole::regrole::text COLLATE "C";
SELECT 'database', datname, datdba::regrole, pg_encoding_to_char(encoding), datcollate, datctype,
    coalesce(to_jsonb(d)->>'datlocprovider', 'c'), coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'),
    datconnlimit, pg_temp.rights(datacl, 'd', datdba), shobj_description(oid, 'pg_database')
  FROM pg_database d WHERE NOT datistemplate ORDER BY datname COLLATE "C";
SELECT 'system', setting FROM pg_file_settings WHERE name = 'work_mem';

\else

\echo == :database

SELECT 'extension', extname, extnamespace::regnamespace FROM pg_extension ORDER BY extname COLLATE "C";
SELECT 'schema', nspname, nspowner::regrole, pg_temp.rights(nspacl, 'n', nspowner), obj_description(oid, 'pg_namespace')
  FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname COLLATE "C";
SELECT 'default', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype,
    pg_temp.rights(defaclacl, defaclobjtype, defaclrole) FROM pg_default_acl ORDER BY 2, 3, 4;

-- What belongs to an extension comes and goes with it.
CREATE TEMPORARY TABLE relation AS
  SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e');

SELECT 'relation', oid::regclass, relkind, relpersistence, relowner::regrole, relrowsecurity, reloptions, relreplident,
    pg_get_expr(relpartbound, oid), pg_get_partkeydef(oid),
    (SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid),
    pg_temp.rights(relacl, (CASE relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char", relowner), obj_description(oid, 'pg_class')
  FROM relation c ORDER BY oid::regclass::text COLLATE "C";
SELECT 'column', attrelid::regclass, row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attname,
    format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, nullif(attcollation, 0)::regcollation,
    pg_get_expr(adbin, adrelid), pg_temp.rights(attacl, 'c', relowner), col_description(attrelid, attnum)
  FROM pg_attribute JOIN relation c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE attnum > 0 AND NOT attisdropped ORDER BY attrelid::regclass::text COLLATE "C", attnum;
SELECT 'index', pg_get_indexdef(indexrelid), indisvalid, indisclustered FROM pg_index JOIN relation c ON c.oid = indrelid
  ORDER BY pg_get_indexdef(indexrelid) COLLATE "C";
SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(p.oid), convalidated
  FROM pg_constraint p JOIN relation c ON c.oid = conrelid WHERE contype <> 'n'
  ORDER BY conrelid::regclass::text COLLATE "C", conname COLLATE "C";
SELECT 'trigger', pg_get_triggerdef(t.oid), tgenabled FROM pg_trigger t JOIN relation c ON c.oid = tgrelid
  WHERE NOT tgisinternal ORDER BY pg_get_triggerdef(t.oid) COLLATE "C";
SELECT 'policy', polrelid::regclass, polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid) FROM pg_policy
  ORDER BY 2, 3;
SELECT 'sequence', seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
  FROM pg_sequence ORDER BY seqrelid::regclass::text COLLATE "C";
SELECT format('SELECT %L, last_value, is_called FROM %s', 'at ' || oid::regclass, oid::regclass) FROM relation
  WHERE relkind = 'S' ORDER BY oid::regclass::text COLLATE "C" \gexec
SELECT 'function', p.oid::regprocedure, proowner::regrole, prokind,
    CASE prokind WHEN 'a' THEN NULL ELSE md5(pg_get_functiondef(p.oid)) END,
    pg_temp.rights(proacl, 'f', proowner), obj_description(p.oid, 'pg_proc')
  FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
  ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT 'type', t.oid::regtype, typtype, typowner::regrole, typbasetype::regtype,
    (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
    (SELECT string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY conname COLLATE "C") FROM pg_constraint k
      WHERE contypid = t.oid AND contype <> 'n')
  FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
  WHERE (typtype IN ('e', 'd') OR EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND relkind = 'c')) AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = t.oid AND deptype = 'e')
  ORDER BY t.oid::regtype::text COLLATE "C";
SELECT 'collation', c.oid::regcollation, collprovider, collisdeterministic, collencoding,
    coalesce(to_jsonb(c)->>'colllocale', to_jsonb(c)->>'colliculocale', collcollate) FROM pg_collation c
  WHERE c.oid >= 16384 ORDER BY collname COLLATE "C";
SELECT 'statistics', stxname, stxrelid::regclass, stxkind FROM pg_statistic_ext ORDER BY 2;
SELECT 'publication', pubname, prrelid::regclass FROM pg_publication p JOIN pg_publication_rel ON prpubid = p.oid
  ORDER BY pubname COLLATE "C", prrelid::regclass::text COLLATE "C";
SELECT 'server', srvname, srvowner::regrole, (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(srvoptions) o) FROM pg_foreign_server ORDER BY 2;
SELECT 'mapping', srvname, usename, (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(umoptions) o) FROM pg_user_mappings ORDER BY 2, 3;
SELECT 'search', cfgname, cfgowner::regrole FROM pg_ts_config WHERE oid >= 16384 ORDER BY 2;

-- Rows, in the order of their own text: as many as there are, and what they say together.
SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(md5(t::text), %L ORDER BY md5(t::text) COLLATE "C"), %L)) FROM %s t',
    'rows of ' || oid::regclass, ',', '', CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || oid::regclass) FROM relation
  WHERE relkind IN ('r', 'v', 'm') ORDER BY oid::regclass::text COLLATE "C" \gexec
SELECT 'object', oid, lomowner::regrole, pg_temp.rights(lomacl, 'L', lomowner), obj_description(oid, 'pg_largeobject'),
    md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;

\endif
