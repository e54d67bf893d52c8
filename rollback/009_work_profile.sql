-- dbm: module staff

DROP TABLE work_profile;
