-- function procedures_check_current()
CREATE OR REPLACE FUNCTION procedures_check_current()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    -- That there is such a revision is the foreign key's to say.
    IF EXISTS (SELECT FROM procedures_revision
               WHERE id = NEW.current_id AND (procedure_id <> NEW.id OR number IS NULL)) THEN
        RAISE EXCEPTION 'revision % is a draft or of another procedure than %', NEW.current_id, NEW.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $function$

-- function procedures_grams(text)
CREATE OR REPLACE FUNCTION procedures_grams(capitals text)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
    SELECT ARRAY(
        SELECT letter || coalesce(second, '') || coalesce(third, '')
        FROM unnest(letters, letters[2:], letters[3:]) gram(letter, second, third)
    ) FROM string_to_array(capitals, NULL) letters
$function$

-- function procedures_grams_of(bigint)
CREATE OR REPLACE FUNCTION procedures_grams_of(procedure bigint)
 RETURNS tsvector
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
    SELECT array_to_tsvector(procedures_grams(
        concat_ws(E'\n', upper(head.key), upper(revision.title), upper(revision.description))
    ))
    FROM procedures_procedure head LEFT JOIN procedures_revision revision ON revision.id = head.current_id
    WHERE head.id = procedure
$function$

-- function procedures_grams_query(text)
CREATE OR REPLACE FUNCTION procedures_grams_query(capitals text)
 RETURNS tsquery
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
    SELECT string_agg(
        '''' || replace(replace(gram, '\', '\\'), '''', '''''') || CASE length(gram) WHEN 3 THEN '''' ELSE ''':*' END,
        ' & '
    )::tsquery
    FROM unnest((procedures_grams(left(capitals, 200)))[:greatest(1, least(length(capitals), 200) - 2)]) gram
$function$

-- function procedures_keep_grams()
CREATE OR REPLACE FUNCTION procedures_keep_grams()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM procedures_proceduregrams WHERE procedure_id = OLD.id;
    ELSIF TG_OP = 'INSERT' OR (NEW.key, NEW.current_id) IS DISTINCT FROM (OLD.key, OLD.current_id) THEN
        PERFORM procedures_note_grams(NEW.id);
    END IF;
    RETURN NULL;
END $function$

-- function procedures_keep_grams_of_revision()
CREATE OR REPLACE FUNCTION procedures_keep_grams_of_revision()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    PERFORM procedures_note_grams(id) FROM procedures_procedure WHERE current_id = NEW.id;
    RETURN NULL;
END $function$

-- function procedures_note_grams(bigint)
CREATE OR REPLACE FUNCTION procedures_note_grams(procedure bigint)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
    INSERT INTO procedures_proceduregrams (procedure_id, grams) VALUES (procedure, procedures_grams_of(procedure))
    ON CONFLICT (procedure_id) DO UPDATE SET grams = EXCLUDED.grams
$function$

-- function procedures_protect_head()
CREATE OR REPLACE FUNCTION procedures_protect_head()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    IF OLD.current_id IS NULL THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'procedure % is published and never removed', OLD.key USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.current_id IS NULL OR (NEW.id, NEW.key) IS DISTINCT FROM (OLD.id, OLD.key) THEN
        RAISE EXCEPTION 'procedure % is published and keeps its key', OLD.key USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$

-- function procedures_protect_receipt()
CREATE OR REPLACE FUNCTION procedures_protect_receipt()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    RAISE EXCEPTION 'receipt % is written and never changes', OLD.id USING ERRCODE = 'restrict_violation';
END $function$

-- function procedures_protect_revision()
CREATE OR REPLACE FUNCTION procedures_protect_revision()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    IF OLD.number IS NOT NULL THEN
        RAISE EXCEPTION 'revision % is published and never changes', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $function$

-- function procedures_protect_step()
CREATE OR REPLACE FUNCTION procedures_protect_step()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM procedures_refuse_step(id) FROM procedures_revision WHERE id = OLD.revision_id AND number IS NOT NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        PERFORM procedures_refuse_step(id) FROM procedures_revision WHERE id = NEW.revision_id AND number IS NOT NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM procedures_refuse_step(id) FROM procedures_revision
        WHERE id = NEW.revision_id AND number IS NOT NULL
        AND step_count <= (SELECT count(*) FROM procedures_step WHERE revision_id = NEW.revision_id);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $function$

-- function procedures_raise_all_versions()
CREATE OR REPLACE FUNCTION procedures_raise_all_versions()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    PERFORM raise_resource_version('procedures:list');
    PERFORM raise_resource_versions_like('procedures:procedure:%');
    RETURN NULL;
END $function$

-- function procedures_raise_versions()
CREATE OR REPLACE FUNCTION procedures_raise_versions()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    PERFORM raise_resource_version('procedures:list');
    IF TG_OP <> 'INSERT' THEN
        PERFORM raise_resource_version('procedures:procedure:' || OLD.key);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM raise_resource_version('procedures:procedure:' || NEW.key);
    END IF;
    RETURN NULL;
END $function$

-- function procedures_refuse_step(bigint)
CREATE OR REPLACE FUNCTION procedures_refuse_step(revision bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    RAISE EXCEPTION 'revision % is published, its steps never change', revision USING ERRCODE = 'restrict_violation';
END $function$

-- function raise_resource_version(text)
CREATE OR REPLACE FUNCTION raise_resource_version(name text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
    INSERT INTO resource_version AS held (resource, version, raised_in)
    VALUES (name, floor(extract(epoch FROM clock_timestamp()) * 1000), 'resource_version'::regclass)
    ON CONFLICT (resource) DO UPDATE SET
        version = CASE WHEN (held.raised_since, held.raised_in) = (excluded.raised_since, excluded.raised_in)
            THEN held.version + 1 ELSE greatest(held.version + 1, excluded.version) END,
        raised_by = excluded.raised_by, raised_since = excluded.raised_since, raised_in = excluded.raised_in
    WHERE (held.raised_by, held.raised_since, held.raised_in)
        <> (excluded.raised_by, excluded.raised_since, excluded.raised_in)
$function$

-- function raise_resource_versions_like(text)
CREATE OR REPLACE FUNCTION raise_resource_versions_like(pattern text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
    SELECT raise_resource_version(resource) FROM resource_version WHERE resource LIKE pattern
$function$

-- function refuse_truncation()
CREATE OR REPLACE FUNCTION refuse_truncation()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $function$

-- function runs_note_words()
CREATE OR REPLACE FUNCTION runs_note_words()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO runs_runwords (run_id, words)
    VALUES (NEW.id, runs_words(concat_ws(' ', NEW.title, NEW.external_ref, NEW.started_by_name)));
    RETURN NULL;
END $function$

-- function runs_protect_event()
CREATE OR REPLACE FUNCTION runs_protect_event()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    RAISE EXCEPTION 'event % of run % is recorded and never changes', OLD.seq, OLD.run_id
        USING ERRCODE = 'restrict_violation';
END $function$

-- function runs_protect_origin()
CREATE OR REPLACE FUNCTION runs_protect_origin()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'run % is recorded and never removed', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.id, NEW.revision_id, NEW.title, NEW.external_ref, NEW.started_by_id, NEW.started_by_name, NEW.started_at,
        NEW.idempotency_key, NEW.request_sha256)
       IS DISTINCT FROM
       (OLD.id, OLD.revision_id, OLD.title, OLD.external_ref, OLD.started_by_id, OLD.started_by_name, OLD.started_at,
        OLD.idempotency_key, OLD.request_sha256) THEN
        RAISE EXCEPTION 'the origin of run % never changes', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$

-- function runs_protect_receipt()
CREATE OR REPLACE FUNCTION runs_protect_receipt()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    RAISE EXCEPTION 'receipt % is written and never changes', OLD.event_id USING ERRCODE = 'restrict_violation';
END $function$

-- function runs_raise_all_versions()
CREATE OR REPLACE FUNCTION runs_raise_all_versions()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    PERFORM raise_resource_versions_like('procedures:run:%');
    RETURN NULL;
END $function$

-- function runs_raise_version()
CREATE OR REPLACE FUNCTION runs_raise_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM raise_resource_version('procedures:run:' || OLD.id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM raise_resource_version('procedures:run:' || NEW.id);
    END IF;
    RETURN NULL;
END $function$

-- function runs_raise_version_of_event()
CREATE OR REPLACE FUNCTION runs_raise_version_of_event()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', '{schema}', 'pg_temp'
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM raise_resource_version('procedures:run:' || OLD.run_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM raise_resource_version('procedures:run:' || NEW.run_id);
    END IF;
    RETURN NULL;
END $function$

-- function runs_words(text)
CREATE OR REPLACE FUNCTION runs_words(text text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT array_to_tsvector(array_remove(regexp_split_to_array(
        lower(text), '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]+'), ''))
$function$

-- trigger current_revision_has_grams on procedures_revision
CREATE TRIGGER current_revision_has_grams AFTER INSERT OR UPDATE OF title, description ON procedures_revision FOR EACH ROW EXECUTE FUNCTION procedures_keep_grams_of_revision();
ALTER TABLE procedures_revision ENABLE TRIGGER current_revision_has_grams

-- trigger current_revision_is_its_own on procedures_procedure
CREATE TRIGGER current_revision_is_its_own AFTER INSERT OR UPDATE OF current_id ON procedures_procedure FOR EACH ROW EXECUTE FUNCTION procedures_check_current();
ALTER TABLE procedures_procedure ENABLE ALWAYS TRIGGER current_revision_is_its_own

-- trigger event_is_append_only on runs_runevent
CREATE TRIGGER event_is_append_only BEFORE DELETE OR UPDATE ON runs_runevent FOR EACH ROW EXECUTE FUNCTION runs_protect_event();
ALTER TABLE runs_runevent ENABLE ALWAYS TRIGGER event_is_append_only

-- trigger event_raises_version on runs_runevent
CREATE CONSTRAINT TRIGGER event_raises_version AFTER INSERT OR DELETE OR UPDATE ON runs_runevent DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION runs_raise_version_of_event();
ALTER TABLE runs_runevent ENABLE ALWAYS TRIGGER event_raises_version

-- trigger event_truncation_raises_versions on runs_runevent
CREATE TRIGGER event_truncation_raises_versions AFTER TRUNCATE ON runs_runevent FOR EACH STATEMENT EXECUTE FUNCTION runs_raise_all_versions();
ALTER TABLE runs_runevent ENABLE ALWAYS TRIGGER event_truncation_raises_versions

-- trigger is_never_emptied on procedures_procedure
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_procedure FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
ALTER TABLE procedures_procedure ENABLE ALWAYS TRIGGER is_never_emptied

-- trigger is_never_emptied on procedures_receipt
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_receipt FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
ALTER TABLE procedures_receipt ENABLE ALWAYS TRIGGER is_never_emptied

-- trigger is_never_emptied on procedures_revision
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_revision FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
ALTER TABLE procedures_revision ENABLE ALWAYS TRIGGER is_never_emptied

-- trigger is_never_emptied on procedures_step
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_step FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
ALTER TABLE procedures_step ENABLE ALWAYS TRIGGER is_never_emptied

-- trigger is_never_emptied on runs_receipt
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON runs_receipt FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
ALTER TABLE runs_receipt ENABLE ALWAYS TRIGGER is_never_emptied

-- trigger is_never_emptied on runs_run
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON runs_run FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
ALTER TABLE runs_run ENABLE ALWAYS TRIGGER is_never_emptied

-- trigger is_never_emptied on runs_runevent
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON runs_runevent FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
ALTER TABLE runs_runevent ENABLE ALWAYS TRIGGER is_never_emptied

-- trigger procedure_has_grams on procedures_procedure
CREATE TRIGGER procedure_has_grams AFTER INSERT OR DELETE OR UPDATE OF key, current_id ON procedures_procedure FOR EACH ROW EXECUTE FUNCTION procedures_keep_grams();
ALTER TABLE procedures_procedure ENABLE TRIGGER procedure_has_grams

-- trigger procedure_raises_versions on procedures_procedure
CREATE CONSTRAINT TRIGGER procedure_raises_versions AFTER INSERT OR DELETE OR UPDATE ON procedures_procedure DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION procedures_raise_versions();
ALTER TABLE procedures_procedure ENABLE ALWAYS TRIGGER procedure_raises_versions

-- trigger procedure_stays_once_published on procedures_procedure
CREATE TRIGGER procedure_stays_once_published BEFORE DELETE OR UPDATE ON procedures_procedure FOR EACH ROW EXECUTE FUNCTION procedures_protect_head();
ALTER TABLE procedures_procedure ENABLE ALWAYS TRIGGER procedure_stays_once_published

-- trigger procedure_truncation_raises_versions on procedures_procedure
CREATE TRIGGER procedure_truncation_raises_versions AFTER TRUNCATE ON procedures_procedure FOR EACH STATEMENT EXECUTE FUNCTION procedures_raise_all_versions();
ALTER TABLE procedures_procedure ENABLE ALWAYS TRIGGER procedure_truncation_raises_versions

-- trigger receipt_is_append_only on procedures_receipt
CREATE TRIGGER receipt_is_append_only BEFORE DELETE OR UPDATE ON procedures_receipt FOR EACH ROW EXECUTE FUNCTION procedures_protect_receipt();
ALTER TABLE procedures_receipt ENABLE ALWAYS TRIGGER receipt_is_append_only

-- trigger receipt_is_append_only on runs_receipt
CREATE TRIGGER receipt_is_append_only BEFORE DELETE OR UPDATE ON runs_receipt FOR EACH ROW EXECUTE FUNCTION runs_protect_receipt();
ALTER TABLE runs_receipt ENABLE ALWAYS TRIGGER receipt_is_append_only

-- trigger revision_is_immutable_once_published on procedures_revision
CREATE TRIGGER revision_is_immutable_once_published BEFORE DELETE OR UPDATE ON procedures_revision FOR EACH ROW EXECUTE FUNCTION procedures_protect_revision();
ALTER TABLE procedures_revision ENABLE ALWAYS TRIGGER revision_is_immutable_once_published

-- trigger run_has_words on runs_run
CREATE TRIGGER run_has_words AFTER INSERT ON runs_run FOR EACH ROW EXECUTE FUNCTION runs_note_words();
ALTER TABLE runs_run ENABLE TRIGGER run_has_words

-- trigger run_keeps_its_origin on runs_run
CREATE TRIGGER run_keeps_its_origin BEFORE DELETE OR UPDATE ON runs_run FOR EACH ROW EXECUTE FUNCTION runs_protect_origin();
ALTER TABLE runs_run ENABLE ALWAYS TRIGGER run_keeps_its_origin

-- trigger run_raises_version on runs_run
CREATE CONSTRAINT TRIGGER run_raises_version AFTER INSERT OR DELETE OR UPDATE ON runs_run DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION runs_raise_version();
ALTER TABLE runs_run ENABLE ALWAYS TRIGGER run_raises_version

-- trigger run_truncation_raises_versions on runs_run
CREATE TRIGGER run_truncation_raises_versions AFTER TRUNCATE ON runs_run FOR EACH STATEMENT EXECUTE FUNCTION runs_raise_all_versions();
ALTER TABLE runs_run ENABLE ALWAYS TRIGGER run_truncation_raises_versions

-- trigger step_is_immutable_once_published on procedures_step
CREATE TRIGGER step_is_immutable_once_published BEFORE INSERT OR DELETE OR UPDATE ON procedures_step FOR EACH ROW EXECUTE FUNCTION procedures_protect_step();
ALTER TABLE procedures_step ENABLE ALWAYS TRIGGER step_is_immutable_once_published
