-- dbm: module fleet
-- dbm: unless table vehicle

CREATE TABLE vehicle (
    id ${identity},
    vehicle_number VARCHAR(30) NOT NULL,
    model VARCHAR(100),
    capacity_kg INTEGER,
    is_available BOOLEAN DEFAULT TRUE NOT NULL,
    CONSTRAINT vehicle_vehicle_number_key UNIQUE (vehicle_number)
);
